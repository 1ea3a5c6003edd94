/* config.h - one struct, filled from defaults, a YAML file, the environment and flags, in this order. */
#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include "base/ctx.h"

struct config {
    char data[512];
    char listen[64];
    uint64_t rest_port, grpc_port, metrics_port;
    char metrics_prefix[64];
    char api_key[256], alt_api_key[256], read_only_api_key[256];
    bool enable_tls, verify_clients;
    char tls_cert[512], tls_key[512], tls_ca_cert[512];
    uint64_t tls_cert_ttl;
    uint64_t slow_query_ms;
    bool jwt_rbac, jwt_require_access;
    bool cluster;
    bool audit, audit_reads;
    char audit_dir[512];
    uint64_t audit_file_mb, audit_max_log_files;
    uint64_t threads;
    char durability[16]; /* group, none */
    uint64_t memory_mb, growing_rows_max, log_file_mb, log_keep_mb;
    char backup_directory[512];
    char log_format[16]; /* auto, text, json */
    char log_level[8];
    bool access_log, url_recovery, string_ids;
};

void config_defaults(struct config *config);
/* Errors name the key, where it stands and what was expected. */
int config_file(struct ctx *c, struct config *config, const char *path);
int config_environment(struct ctx *c, struct config *config, char *const *environment);
/* One "--name value"; KITH_NOT_FOUND if there is no such flag. */
int config_flag(struct ctx *c, struct config *config, const char *flag, const char *value);
/* The lines of --help about flags. */
void config_help(void);

#endif
