/* fuzz_frames.c - any bytes on a connection, as a server gets them: HTTP/1.1, or (the first byte is odd) HTTP/2 after its
 * preface, where gRPC is. The server is real, on loopback; what it is asked it answers with what it was sent. */
#include "net/http.h"
#include "os/os.h"

#include "base/ctx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http_server *server;
static uint16_t port;

static void echo(void *arg, struct exchange *x)
{
    struct buf out;

    UNUSED(arg);
    buf_init(&out);
    buf_put(&out, x->body.data, x->body.size);
    http_answer(x, 200, "application/octet-stream", NULL, &out);
}

static enum talk talks(void *arg, const struct exchange *x)
{
    UNUSED(arg);
    return x->target[0] == '/' && x->target[1] == 't' ? TALK_YES : x->target[0] == '/' && x->target[1] == 'r' ? TALK_REFUSED : TALK_NO;
}

static size_t hear(void *arg, struct bytes come, struct buf *say)
{
    UNUSED(arg);
    buf_put(say, come.data, come.size / 2 + 1 > come.size ? come.size : come.size / 2 + 1);
    return come.size / 2 + 1 > come.size ? come.size : come.size / 2 + 1;
}

static void run(void *arg)
{
    http_run(arg);
}

static void start(void)
{
    struct http_options o = {.address = "127.0.0.1", .body_max = 4096, .connections_max = 100, .threads = 1, .handle = echo,
                             .talks = talks, .hear = hear};
    struct os_thread *thread;
    struct ctx c;

    (void)signal(SIGPIPE, SIG_IGN); /* as kith serve does */
    ctx_init(&c, os_linux());
    if (http_start(&c, &o, &server) < 0) {
        fprintf(stderr, "%s\n", c.text);
        abort();
    }
    port = http_port(server);
    if (os_linux()->thread(os_linux(), "loop", false, run, server, &thread) < 0)
        abort();
    ctx_release(&c);
}

/* Ports may be used up for a moment, by thousands of connections a second; the server must be there. */
static int open_connection(const struct sockaddr_in *to)
{
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), why;
        if (fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
            return fd;
        why = errno; /* the fuzzer's clock may interrupt it */
        if (fd < 0 || (why != EADDRNOTAVAIL && why != EINTR))
            break;
        close(fd);
        os_pause(why == EINTR ? 1 : 100000);
    }
    perror("no connection");
    abort();
}

/* Until the server has closed it, or has said nothing for a while. */
static void read_all(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char answer[4096];

    while (poll(&p, 1, 20) == 1 && recv(fd, answer, sizeof answer, 0) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const uint8_t settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct linger at_once = {1, 0};
    int fd;

    if (!server)
        start();
    if (size < 2)
        return 0;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = open_connection(&to);
    if (data[0] & 1) {
        (void)send(fd, preface, sizeof preface - 1, MSG_NOSIGNAL);
        (void)send(fd, settings, sizeof settings, MSG_NOSIGNAL);
    }
    (void)send(fd, data + 1, size - 1, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    read_all(fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* no port is left waiting */
    close(fd);
    return 0;
}
