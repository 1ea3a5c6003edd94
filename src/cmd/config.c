/* config.c - settings are rows of one table; file, environment and flags all go through it. */
#include "cmd/config.h"

#include "base/buf.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

enum kind { TEXT, WORD, NUMBER, FLAG }; /* word: letters, digits, _ and : */

struct setting {
    const char *key;  /* section.name in the file, KITH_SECTION_NAME in the environment */
    const char *flag; /* on the command line; NULL: none */
    enum kind kind;
    size_t offset, size;
    uint64_t least, most;
    const char *choices; /* NULL: any; else a|b|c */
    const char *help;
};

#define SETTING(member) offsetof(struct config, member), sizeof((struct config *)0)->member

static const struct setting settings[] = {
    {"storage.path", "data", TEXT, SETTING(data), 0, 0, NULL, "directory of the database"},
    {"storage.durability", "durability", TEXT, SETTING(durability), 0, 0, "group|none",
     "group: answered when it cannot be lost; none: a crash may lose the last moments"},
    {"storage.memory_mb", "memory-mb", NUMBER, SETTING(memory_mb), 0, 1u << 30, NULL, "memory budget; 0: half of RAM"},
    {"storage.growing_rows_max", NULL, NUMBER, SETTING(growing_rows_max), 100, 1000000, NULL,
     "rows in memory before they are sealed"},
    {"storage.log_file_mb", NULL, NUMBER, SETTING(log_file_mb), 1, 4096, NULL, "size of one file of the log"},
    {"storage.log_keep_mb", NULL, NUMBER, SETTING(log_keep_mb), 0, 1u << 30, NULL,
     "so much of the log stays for backups to come, though nothing else needs it"},
    {"backup.directory", NULL, TEXT, SETTING(backup_directory), 0, 0, NULL, "where POST /backups backs up to"},
    {"storage.threads", "threads", NUMBER, SETTING(threads), 0, 63, NULL, "background threads; 0: one a core"},
    {"service.listen", "listen", TEXT, SETTING(listen), 0, 0, NULL, "address; without a key only loopback is allowed"},
    {"service.rest_port", "rest-port", NUMBER, SETTING(rest_port), 0, 65535, NULL, "Qdrant REST; 0: off"},
    {"service.grpc_port", "grpc-port", NUMBER, SETTING(grpc_port), 0, 65535, NULL, "Qdrant gRPC; 0: off"},
    {"service.metrics_port", "metrics-port", NUMBER, SETTING(metrics_port), 0, 65535, NULL,
     "metrics and health without a key; 0: off"},
    {"service.metrics_prefix", NULL, WORD, SETTING(metrics_prefix), 0, 0, NULL, "before the name of every metric"},
    {"service.api_key", NULL, TEXT, SETTING(api_key), 0, 0, NULL, "may do everything"},
    {"service.alt_api_key", NULL, TEXT, SETTING(alt_api_key), 0, 0, NULL,
     "the same, so that keys can be changed one after the other"},
    {"service.read_only_api_key", NULL, TEXT, SETTING(read_only_api_key), 0, 0, NULL, "may read"},
    {"service.slow_query_ms", NULL, NUMBER, SETTING(slow_query_ms), 0, 1u << 30, NULL,
     "requests that take longer are shown by /profiler/slow_requests; 0: none"},
    {"service.jwt_rbac", NULL, FLAG, SETTING(jwt_rbac), 0, 0, NULL,
     "take JSON web tokens signed with one of the first two keys"},
    {"service.jwt_require_access", NULL, FLAG, SETTING(jwt_require_access), 0, 0, NULL,
     "refuse tokens without an access claim, which may do everything"},
    {"service.enable_tls", NULL, FLAG, SETTING(enable_tls), 0, 0, NULL, "on the REST and gRPC ports"},
    {"service.verify_https_client_certificate", NULL, FLAG, SETTING(verify_clients), 0, 0, NULL,
     "clients must show a certificate of tls.ca_cert"},
    {"tls.cert", NULL, TEXT, SETTING(tls_cert), 0, 0, NULL, "PEM file: the server's chain of certificates"},
    {"tls.key", NULL, TEXT, SETTING(tls_key), 0, 0, NULL, "PEM file: its key"},
    {"tls.ca_cert", NULL, TEXT, SETTING(tls_ca_cert), 0, 0, NULL, "PEM file: who signs certificates of clients"},
    {"tls.cert_ttl", NULL, NUMBER, SETTING(tls_cert_ttl), 0, 1u << 30, NULL,
     "seconds after which the files are read again; 0: never"},
    {"cluster.enabled", NULL, FLAG, SETTING(cluster), 0, 0, NULL, "answer as a cluster of one node"},
    {"audit.enabled", NULL, FLAG, SETTING(audit), 0, 0, NULL, "keep a log of who changed what and was refused what"},
    {"audit.reads", NULL, FLAG, SETTING(audit_reads), 0, 0, NULL, "and of who read what"},
    {"audit.dir", NULL, TEXT, SETTING(audit_dir), 0, 0, NULL, "where; empty: audit in the database's directory"},
    {"audit.file_mb", NULL, NUMBER, SETTING(audit_file_mb), 1, 4096, NULL, "size of one of its files"},
    {"audit.max_log_files", NULL, NUMBER, SETTING(audit_max_log_files), 1, 1000, NULL, "how many are kept"},
    {"service.enable_snapshot_url_recovery", NULL, FLAG, SETTING(url_recovery), 0, 0, NULL,
     "snapshots may be fetched from an address"},
    {"service.string_ids", NULL, FLAG, SETTING(string_ids), 0, 0, NULL,
     "any text but a number may be a point's id, not UUIDs alone"},
    {"log.format", "log-format", TEXT, SETTING(log_format), 0, 0, "auto|text|json", "auto: text on a terminal"},
    {"log.level", "log-level", TEXT, SETTING(log_level), 0, 0, "off|error|warn|info|debug|trace",
     "debug: requests, too"},
    {"log.access", "access-log", FLAG, SETTING(access_log), 0, 0, NULL, "a line for every request: true or false"},
};

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    strcpy(config->data, "kith.data");
    strcpy(config->listen, "127.0.0.1");
    strcpy(config->durability, "group");
    strcpy(config->log_format, "auto");
    strcpy(config->log_level, "info");
    config->rest_port = 6333;
    config->grpc_port = 6334;
    config->metrics_port = 9091;
    config->growing_rows_max = 50000;
    config->log_file_mb = 64;
    config->url_recovery = true;
    config->tls_cert_ttl = 3600;
    config->slow_query_ms = 1000;
    config->audit = true;
    config->audit_file_mb = 16;
    config->audit_max_log_files = 8;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    while (*choices) {
        size_t m = strcspn(choices, "|");
        if (n == m && strncmp(choices, value, n) == 0)
            return true;
        choices += m + (choices[m] == '|');
    }
    return false;
}

static int set(struct ctx *c, struct config *config, const struct setting *s, const char *value, const char *where)
{
    char *at = (char *)config + s->offset, *end;
    unsigned long long n;
    bool on;

    if (s->kind == WORD &&
        value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:")])
        return err_set(c, KITH_INVALID, "%s: %s: \"%.40s\", expected letters, digits, _ and :", where, s->key, value);
    switch (s->kind) {
    case WORD:
    case TEXT:
        if (strlen(value) >= s->size)
            return err_set(c, KITH_INVALID, "%s: %s: at most %zu characters", where, s->key, s->size - 1);
        if (s->choices && !is_choice(s->choices, value))
            return err_set(c, KITH_INVALID, "%s: %s: \"%.40s\", expected %s", where, s->key, value, s->choices);
        strcpy(at, value);
        return 0;
    case NUMBER:
        n = strtoull(value, &end, 10);
        if (*value < '0' || *value > '9' || *end || n < s->least || n > s->most)
            return err_set(c, KITH_INVALID, "%s: %s: \"%.40s\", expected a number from %llu to %llu", where, s->key,
                           value, (unsigned long long)s->least, (unsigned long long)s->most);
        memcpy(at, &n, sizeof(uint64_t));
        return 0;
    case FLAG:
        on = strcmp(value, "true") == 0;
        if (!on && strcmp(value, "false") != 0)
            return err_set(c, KITH_INVALID, "%s: %s: \"%.40s\", expected true or false", where, s->key, value);
        memcpy(at, &on, sizeof on);
        return 0;
    }
    return 0;
}

static const struct setting *by_key(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (strcmp(settings[i].key, key) == 0)
            return &settings[i];
    }
    return NULL;
}

/* ---- the file: two levels, section and name ------------------------------------------------------------- */

struct yaml_walk {
    struct ctx *c;
    struct config *config;
    const char *path;
    char section[64], name[64];
    int depth;
    bool in_value;
};

static int take_scalar(struct yaml_walk *w, const char *value, size_t line)
{
    char where[300], key[160];
    const struct setting *s;

    snprintf(where, sizeof where, "%s, line %zu", w->path, line + 1);
    if (!w->in_value) {
        char *to = w->depth == 1 ? w->section : w->name;
        if (strlen(value) > 60)
            return err_set(w->c, KITH_INVALID, "%s: unknown key \"%.60s\"", where, value);
        strcpy(to, value);
        w->in_value = true;
        return 0;
    }
    w->in_value = false;
    snprintf(key, sizeof key, "%s%s%s", w->section, w->depth == 2 ? "." : "", w->depth == 2 ? w->name : "");
    s = by_key(key);
    if (!s)
        return err_set(w->c, KITH_INVALID, "%s: unknown key \"%s\"", where, key);
    return set(w->c, w->config, s, value, where);
}

static int take_event(struct yaml_walk *w, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_MAPPING_START_EVENT:
        if (++w->depth > 2)
            return err_set(w->c, KITH_INVALID, "%s, line %zu: nested deeper than section and name", w->path,
                           e->start_mark.line + 1);
        w->in_value = false;
        return 0;
    case YAML_MAPPING_END_EVENT:
        w->depth--;
        w->in_value = false;
        return 0;
    case YAML_SCALAR_EVENT:
        if (w->depth == 0)
            return *e->data.scalar.value ? err_set(w->c, KITH_INVALID, "%s: expected sections", w->path) : 0;
        return take_scalar(w, (const char *)e->data.scalar.value, e->start_mark.line);
    case YAML_SEQUENCE_START_EVENT:
        return err_set(w->c, KITH_INVALID, "%s, line %zu: a list is not expected here", w->path,
                       e->start_mark.line + 1);
    case YAML_NO_EVENT: case YAML_STREAM_START_EVENT: case YAML_STREAM_END_EVENT: case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: case YAML_ALIAS_EVENT: case YAML_SEQUENCE_END_EVENT:
        break;
    }
    return 0;
}

int config_file(struct ctx *c, struct config *config, const char *path)
{
    struct yaml_walk w = {.c = c, .config = config, .path = path};
    yaml_parser_t parser;
    struct bytes text;
    bool end = false;
    int rc = 0;

    TRY(os_read_file(c, path, 1 << 20, &text));
    if (!yaml_parser_initialize(&parser))
        return err_nomem(c);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    while (!end && rc >= 0) {
        yaml_event_t e;
        if (!yaml_parser_parse(&parser, &e)) {
            rc = err_set(c, KITH_INVALID, "%s, line %zu: %s", path, parser.problem_mark.line + 1, parser.problem);
            break;
        }
        end = e.type == YAML_STREAM_END_EVENT;
        rc = take_event(&w, &e);
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return rc;
}

/* ---- environment and flags ---------------------------------------------------------------------------------- */

static bool environment_is(const char *entry, const char *key, const char **ret_value)
{
    static const char prefix[] = "KITH_";
    size_t i;

    if (strncmp(entry, prefix, sizeof prefix - 1) != 0)
        return false;
    entry += sizeof prefix - 1;
    for (i = 0; key[i]; i++) {
        char ch = key[i] == '.' ? '_' : key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 32) : key[i];
        if (entry[i] != ch)
            return false;
    }
    if (entry[i] != '=')
        return false;
    *ret_value = entry + i + 1;
    return true;
}

/* What people have set for Qdrant: QDRANT__SECTION__NAME. The rest of it means nothing here, and is not an error. */
static const struct setting *of_qdrant(const char *entry, size_t size)
{
    static const char *const names[][2] = {{"service.host", "service.listen"},
                                           {"service.http_port", "service.rest_port"},
                                           {"storage.storage_path", "storage.path"}};
    char key[128];
    size_t n = 0;

    for (size_t i = strlen("QDRANT__"); i < size && n + 1 < sizeof key; i++) {
        bool dot = entry[i] == '_' && i + 1 < size && entry[i + 1] == '_';
        key[n++] = dot ? '.' : entry[i] >= 'A' && entry[i] <= 'Z' ? (char)(entry[i] + 32) : entry[i];
        i += dot;
    }
    key[n] = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(key, names[i][0]) == 0)
            return by_key(names[i][1]);
    }
    return by_key(key);
}

static int take_qdrant(struct ctx *c, struct config *config, const char *entry)
{
    size_t size = strcspn(entry, "=");
    const struct setting *s = of_qdrant(entry, size);

    return s && entry[size] ? set(c, config, s, entry + size + 1, "environment") : 0;
}

/* Ours go before theirs. */
int config_environment(struct ctx *c, struct config *config, char *const *environment)
{
    for (char *const *e = environment; *e; e++) {
        if (strncmp(*e, "QDRANT__", 8) == 0)
            TRY(take_qdrant(c, config, *e));
    }
    for (; *environment; environment++) {
        bool found = strncmp(*environment, "KITH_", 5) != 0;
        for (size_t i = 0; i < ARRAY_SIZE(settings) && !found; i++) {
            const char *value;
            found = environment_is(*environment, settings[i].key, &value);
            if (found)
                TRY(set(c, config, &settings[i], value, "environment"));
        }
        if (!found)
            return err_set(c, KITH_INVALID, "environment: unknown setting %.*s", (int)strcspn(*environment, "="),
                           *environment);
    }
    return 0;
}

int config_flag(struct ctx *c, struct config *config, const char *flag, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (!settings[i].flag || strcmp(settings[i].flag, flag) != 0)
            continue;
        if (!value)
            return err_set(c, KITH_INVALID, "--%s: expected a value", flag);
        return set(c, config, &settings[i], value, "command line");
    }
    return err_set(c, KITH_NOT_FOUND, "unknown option --%s", flag);
}

void config_help(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        if (settings[i].flag)
            printf("    --%-14s %s\n", settings[i].flag, settings[i].help);
    }
    printf("\nall settings, of the file (storage: {path: ...}) and, as KITH_STORAGE_PATH, of the environment:\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
        printf("    %-40s %s\n", settings[i].key, settings[i].help);
}
