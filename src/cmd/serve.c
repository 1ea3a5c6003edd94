/* serve.c - kith serve: open the database, start the listeners, wait for a signal. */
#define _GNU_SOURCE
#include "cmd/options.h"
#include "net/http.h"
#include "net/spill.h"
#include "net/tls.h"
#include "os/os.h"
#include "qdrant/dialect.h"
#include "qdrant/rpc.h"
#include "serve/audit.h"
#include "serve/quota.h"
#include "serve/rates.h"
#include "serve/serve.h"
#include "serve/slow.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The line of clients that is served; they warn when theirs differs by more than one minor. */
#define QDRANT_VERSION "1.19.1"

extern char **environ;

struct running {
    struct http_server *servers[4];
    size_t count;
};

static void help(void)
{
    printf("usage: kith serve [--config FILE] [<options>]\n\n    --%-14s %s\n", "config FILE",
           "settings as YAML; environment and options go before it");
    config_help();
    printf("\nSettings of the environment under Qdrant's names, such as QDRANT__SERVICE__API_KEY, are taken where they "
           "mean something.\n");
}

static int read_config(struct ctx *c, int argc, char **argv, struct config *config)
{
    config_defaults(config);
    for (int i = 0; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--config") == 0)
            TRY(config_file(c, config, argv[i + 1]));
    }
    TRY(config_environment(c, config, environ));
    for (int i = 0; i < argc; i++) {
        char name[64];
        const char *equals = strchr(argv[i], '=');
        if (strncmp(argv[i], "--", 2) != 0)
            return err_set(c, KITH_INVALID, "unexpected argument \"%.60s\"", argv[i]);
        snprintf(name, sizeof name, "%.*s", (int)(equals ? equals - argv[i] - 2 : 60), argv[i] + 2);
        if (strcmp(name, "config") != 0)
            TRY(config_flag(c, config, name, equals ? equals + 1 : i + 1 < argc ? argv[i + 1] : NULL));
        i += equals ? 0 : 1;
    }
    return 0;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* ---- signals: a thread of its own waits for them --------------------------------------------------------- */

static void *wait_for_signals(void *arg)
{
    struct running *r = arg;
    sigset_t set;
    int which;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1); /* sent by ourselves at the end */
    sigwait(&set, &which);
    if (which == SIGUSR1)
        return NULL;
    for (size_t i = 0; i < r->count; i++)
        http_stop(r->servers[i]);
    sigwait(&set, &which);
    if (which != SIGUSR1)
        _exit(130); /* safe at any moment: what was acknowledged is in the log */
    return NULL;
}

static void block_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void *run_listener(void *arg)
{
    http_run(arg);
    return NULL;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static int listen_on(struct ctx *c, const struct config *config, struct server *server, uint64_t port,
                     uint32_t threads, struct tls *tls, struct running *r)
{
    struct http_options o = {.address = config->listen, .port = (uint16_t)port, .body_max = 64 << 20,
                             .connections_max = 4096, .threads = threads, .tls = tls, .handle = serve_handle,
                             .arg = server,
                             .spill_dir = server->spill_dir, .may_spill = serve_may_spill, .talks = serve_talks,
                             .hear = serve_hear};

    TRY(http_start(c, &o, &r->servers[r->count]));
    r->count++;
    return 0;
}

/* Metrics and health, on a port of their own and without a key. */
static const struct route open_routes[] = {
    {"GET", "/metrics", FREE, 0, service_metrics, NULL, NULL, "text"},
    {"GET", "/healthz", FREE, 0, service_health, NULL, NULL, "text"},
    {"GET", "/readyz", FREE, 0, service_ready, NULL, NULL, "text"},
    {"GET", "/livez", FREE, 0, service_health, NULL, NULL, "text"},
};

static const char *set_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static struct keys keys_of(const struct config *config)
{
    return (struct keys){.all = set_or_null(config->api_key), .alternate = set_or_null(config->alt_api_key),
                         .read_only = set_or_null(config->read_only_api_key), .tokens = config->jwt_rbac,
                         .tokens_narrow = config->jwt_require_access};
}

static int open_audit(struct ctx *c, const struct config *config, struct audit *audit)
{
    const char *dir = config->audit_dir[0] ? config->audit_dir : os_path(&c->arena, config->data, "audit");

    return dir ? audit_open(c, dir, config->audit_file_mb << 20, (uint32_t)config->audit_max_log_files,
                            config->audit_reads, audit)
               : err_nomem(c);
}

static int open_tls(struct ctx *c, const struct config *config, struct tls **ret)
{
    struct tls_options o = {config->tls_cert, config->tls_key, set_or_null(config->tls_ca_cert),
                            (uint32_t)config->tls_cert_ttl};

    if (!o.cert[0] || !o.key[0])
        return err_set(c, KITH_INVALID, "service.enable_tls needs tls.cert and tls.key");
    if (config->verify_clients && !o.ca)
        return err_set(c, KITH_INVALID, "service.verify_https_client_certificate needs tls.ca_cert");
    if (!config->verify_clients)
        o.ca = NULL;
    return tls_new(c, &o, ret);
}

/* The same to those who only watch it. */
static void open_door(struct server *server, struct server *to)
{
    *to = *server;
    to->routes = open_routes;
    to->routes_count = ARRAY_SIZE(open_routes);
    to->access_log = false;
    to->rpc = NULL;
    to->watched = server;
}

/* Where others would find it; in the arena. */
static const char *uri_of(struct ctx *c, const struct config *config)
{
    char uri[96];

    snprintf(uri, sizeof uri, "http%s://%s:%llu/", config->enable_tls ? "s" : "", config->listen,
             (unsigned long long)config->rest_port);
    return arena_str(&c->arena, uri, strlen(uri));
}

/* What its settings say; the rest is opened. */
static struct server server_of(struct ctx *c, const struct config *config, kith_db *db)
{
    return (struct server){.db = db, .routes = qdrant_routes, .routes_count = qdrant_routes_count,
                           .rpc = &qdrant_rpc_form, .keys = keys_of(config), .dir = config->data,
                           .backup_dir = set_or_null(config->backup_directory),
                           .cluster_uri = config->cluster ? uri_of(c, config) : NULL,
                           .url_recovery = config->url_recovery, .string_ids = config->string_ids,
                           .metrics_prefix = config->metrics_prefix, .version = QDRANT_VERSION,
                           .access_log = config->access_log};
}

/* Until a signal ends it. */
static void run(const struct config *config, const struct logging *log, bool tls, struct running *r)
{
    pthread_t signals, listeners[4];

    log_line(log, LOG_INFO, "kith %s serves %s on %s:%u (Qdrant REST%s%s%s", kith_version(), config->data,
             config->listen, http_port(r->servers[0]), config->grpc_port ? " and gRPC" : "", tls ? " over TLS)" : ")",
             config->api_key[0] ? "" : "; no key is set: loopback only");
    if (strcmp(config->durability, "none") == 0)
        log_line(log, LOG_WARN, "durability is none: a crash of the machine may lose acknowledged writes");
    pthread_create(&signals, NULL, wait_for_signals, r);
    for (size_t i = 1; i < r->count; i++)
        pthread_create(&listeners[i], NULL, run_listener, r->servers[i]);
    http_run(r->servers[0]);
    for (size_t i = 1; i < r->count; i++)
        pthread_join(listeners[i], NULL);
    pthread_kill(signals, SIGUSR1);
    pthread_join(signals, NULL);
    log_line(log, LOG_INFO, "stopped");
}

static int serve(struct ctx *c, const struct config *config, kith_db *db)
{
    bool on_terminal = strcmp(config->log_format, "auto") == 0 && isatty(2);
    struct logging log = {(uint8_t)log_level_of(config->log_level),
                          !on_terminal && strcmp(config->log_format, "text") != 0};
    struct server *server = calloc(2, sizeof *server), *metrics = server + 1;
    struct running r = {{0}, 0};
    struct pb_schema schema;
    struct audit audit = {0};
    struct tls *tls = NULL;
    struct rates rates;
    struct slow_log slow;
    struct quota quota = {0};
    char *spill_dir = os_path(&c->arena, config->data, "uploads");
    int rc = 0;

    if (!server)
        return err_nomem(c);
    rc = spill_dir ? qdrant_rpc_schema(c, &schema) : err_nomem(c);
    if (spill_dir)
        spill_clean(spill_dir);
    *server = server_of(c, config, db);
    server->rpc_schema = &schema;
    server->spill_dir = spill_dir;
    server->rates = &rates;
    server->slow = &slow;
    server->quota = &quota;
    server->log = &log;
    server_begin(server);
    rates_init(&rates);
    slow_init(&slow, (double)config->slow_query_ms / 1000);
    if (rc >= 0)
        rc = quota_open(c, config->data, &quota);
    if (rc >= 0 && config->enable_tls)
        rc = open_tls(c, config, &tls);
    if (rc >= 0 && config->audit)
        rc = open_audit(c, config, &audit);
    server->audit = audit.file ? &audit : NULL;
    open_door(server, metrics);
    if (rc >= 0 && config->rest_port)
        rc = listen_on(c, config, server, config->rest_port, MAX(4u, os_cores() * 2), tls, &r);
    if (rc >= 0 && config->grpc_port)
        rc = listen_on(c, config, server, config->grpc_port, MAX(4u, os_cores() * 2), tls, &r);
    if (rc >= 0 && config->metrics_port)
        rc = listen_on(c, config, metrics, config->metrics_port, 1, NULL, &r);
    if (rc >= 0 && !r.count)
        rc = err_set(c, KITH_INVALID, "every port is switched off");
    if (rc >= 0)
        run(config, &log, tls != NULL, &r);
    for (size_t i = 0; i < r.count; i++) {
        if (rc < 0)
            http_stop(r.servers[i]);
        http_free(r.servers[i]);
    }
    tls_free(tls);
    if (audit.file)
        audit_close(&audit);
    if (quota.dir)
        quota_close(&quota);
    slow_release(&slow);
    rates_release(&rates);
    server_end(server);
    free(server);
    return rc;
}

int cmd_serve(int argc, char **argv)
{
    kith_options options = {0};
    struct config config;
    kith_err err;
    struct ctx c;
    kith_db *db;
    int rc;

    if (options_have(argc, argv, "--help"))
        return help(), 0;
    ctx_init(&c, os_linux());
    if (read_config(&c, argc, argv, &config) < 0)
        return cmd_fail("%s", c.text);
    if (!config.api_key[0] && !is_loopback(config.listen))
        return cmd_fail("listening on %s needs a key: set service.api_key (KITH_SERVICE_API_KEY)", config.listen);
    block_signals();
    options.durability = strcmp(config.durability, "none") == 0 ? KITH_DURABLE_NONE : KITH_DURABLE_GROUP;
    options.threads = (uint32_t)config.threads;
    options.memory_bytes = config.memory_mb << 20;
    options.growing_rows_max = (uint32_t)config.growing_rows_max;
    options.log_file_bytes = config.log_file_mb << 20;
    options.log_keep_bytes = config.log_keep_mb << 20;
    db = kith_open(config.data, &options, &err);
    if (!db)
        return cmd_fail("%s", err.text);
    rc = serve(&c, &config, db);
    kith_close(db);
    if (rc < 0)
        (void)cmd_fail("%s", c.text);
    ctx_release(&c);
    return rc < 0;
}
