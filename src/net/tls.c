/* tls.c - the door to OpenSSL's libssl. */
#include "net/tls.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "os/os.h"
#include "os/sync.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

struct tls {
    struct tls_options options;
    struct os_mutex lock;
    SSL_CTX *ctx;
    uint64_t read_ns;
};

struct tls_conn {
    struct os_mutex lock;
    SSL *ssl;
    BIO *in;        /* the SSL's: from the wire */
    BIO *made;      /* the SSL's: to the wire */
    struct buf out; /* the same, on its way */
    size_t sent;    /* of that */
};

static int ssl_error(struct ctx *c, const char *what, const char *file)
{
    char text[200] = "";

    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return err_set(c, KITH_INVALID, "tls: %s %s: %s", what, file, text);
}

/* gRPC's clients insist on being told. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_size, const unsigned char *offered,
                           unsigned size, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";

    UNUSED(ssl);
    UNUSED(arg);
    return SSL_select_next_proto((unsigned char **)(uintptr_t)ret, ret_size, ours, sizeof ours - 1, offered, size) ==
                   OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int make_ctx(struct ctx *c, const struct tls_options *o, SSL_CTX **ret)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = 0;

    if (!ctx)
        return err_nomem(c);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, o->cert) != 1)
        rc = ssl_error(c, "certificate", o->cert);
    else if (SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) != 1)
        rc = ssl_error(c, "key", o->key);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        rc = ssl_error(c, "this is not the key of the certificate:", o->key);
    else if (o->ca && SSL_CTX_load_verify_locations(ctx, o->ca, NULL) != 1)
        rc = ssl_error(c, "certificates of clients", o->ca);
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    if (o->ca)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    *ret = ctx;
    return 0;
}

int tls_new(struct ctx *c, const struct tls_options *options, struct tls **ret_tls)
{
    struct tls *t = mem_zalloc(sizeof *t);
    int rc;

    if (!t)
        return err_nomem(c);
    t->options = *options;
    rc = make_ctx(c, options, &t->ctx);
    if (rc < 0) {
        mem_free(t);
        return rc;
    }
    t->read_ns = os_linux()->mono_ns(os_linux());
    os_mutex_init(&t->lock);
    *ret_tls = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    os_mutex_release(&t->lock);
    mem_free(t);
}

/* Certificates are renewed in place; if what is there cannot be used, the old ones go on. Connections keep theirs. */
static void renew(struct tls *t)
{
    uint64_t now = os_linux()->mono_ns(os_linux());
    SSL_CTX *ctx;
    struct ctx c;

    if (!t->options.ttl_s || now - t->read_ns < t->options.ttl_s * 1000000000ull)
        return;
    t->read_ns = now;
    ctx_init(&c, os_linux());
    if (make_ctx(&c, &t->options, &ctx) >= 0) {
        SSL_CTX_free(t->ctx);
        t->ctx = ctx;
    }
    ctx_release(&c);
}

struct tls_conn *tls_accept(struct tls *t)
{
    struct tls_conn *x = mem_zalloc(sizeof *x);

    if (!x)
        return NULL;
    os_mutex_lock(&t->lock);
    renew(t);
    x->ssl = SSL_new(t->ctx);
    os_mutex_unlock(&t->lock);
    x->in = BIO_new(BIO_s_mem());
    x->made = BIO_new(BIO_s_mem());
    if (!x->ssl || !x->in || !x->made) {
        BIO_free(x->in);
        BIO_free(x->made);
        SSL_free(x->ssl);
        mem_free(x);
        return NULL;
    }
    SSL_set_bio(x->ssl, x->in, x->made);
    SSL_set_accept_state(x->ssl);
    os_mutex_init(&x->lock);
    return x;
}

void tls_end(struct tls_conn *x)
{
    if (!x)
        return;
    SSL_free(x->ssl);
    buf_release(&x->out);
    os_mutex_release(&x->lock);
    mem_free(x);
}

/* Moves what OpenSSL made to what is on its way. */
static void collect(struct tls_conn *x)
{
    char *data;
    long size = BIO_get_mem_data(x->made, &data);

    if (size > 0)
        buf_put(&x->out, data, (size_t)size);
    (void)BIO_reset(x->made);
}

bool tls_read(struct tls_conn *x, const void *data, size_t size, struct buf *plain)
{
    enum { PART = 16 << 10 };
    bool ok = size <= INT32_MAX;
    int n = 1;

    os_mutex_lock(&x->lock);
    ERR_clear_error();
    ok = ok && BIO_write(x->in, data, (int)size) == (int)size;
    while (ok && n > 0) {
        if (buf_reserve(plain, PART) < 0) {
            ok = false;
            break;
        }
        n = SSL_read(x->ssl, plain->data + plain->size, PART);
        if (n > 0)
            plain->size += (size_t)n;
    }
    if (ok && n <= 0)
        ok = SSL_get_error(x->ssl, n) == SSL_ERROR_WANT_READ;
    collect(x);
    ok = ok && !x->out.failed;
    os_mutex_unlock(&x->lock);
    return ok;
}

bool tls_write(struct tls_conn *x, const void *data, size_t size)
{
    const uint8_t *at = data;
    bool ok = true;

    os_mutex_lock(&x->lock);
    ERR_clear_error();
    while (ok && size > 0) {
        int part = (int)MIN(size, (size_t)1 << 20), n = SSL_write(x->ssl, at, part);
        ok = n > 0;
        at += ok ? n : 0;
        size -= ok ? (size_t)n : 0;
        collect(x);
    }
    ok = ok && !x->out.failed;
    os_mutex_unlock(&x->lock);
    return ok;
}

void tls_say_goodbye(struct tls_conn *x)
{
    os_mutex_lock(&x->lock);
    ERR_clear_error();
    if (SSL_is_init_finished(x->ssl))
        (void)SSL_shutdown(x->ssl);
    collect(x);
    ERR_clear_error();
    os_mutex_unlock(&x->lock);
}

void tls_send(struct tls_conn *x, int (*send)(int fd, const void *data, size_t size), int fd)
{
    os_mutex_lock(&x->lock);
    if (x->out.size > x->sent) {
        int n = send(fd, x->out.data + x->sent, x->out.size - x->sent);
        x->sent += n > 0 ? (size_t)n : 0;
    }
    if (x->sent == x->out.size)
        x->out.size = x->sent = 0;
    os_mutex_unlock(&x->lock);
}

bool tls_pending(struct tls_conn *x)
{
    bool yes;

    os_mutex_lock(&x->lock);
    yes = x->out.size > x->sent;
    os_mutex_unlock(&x->lock);
    return yes;
}

void tls_take(struct tls_conn *x, struct buf *ret)
{
    os_mutex_lock(&x->lock);
    *ret = x->out;
    if (x->sent)
        memmove(ret->data, ret->data + x->sent, ret->size - x->sent);
    ret->size -= x->sent;
    buf_init(&x->out);
    x->sent = 0;
    os_mutex_unlock(&x->lock);
}
