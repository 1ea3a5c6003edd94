/* tools.c - kith info, kith check. */
#include "cmd/cmd.h"

#include <stdio.h>

static void print_problem(void *arg, const char *text)
{
    UNUSED(arg);
    printf("%s\n", text);
}

int cmd_check(int argc, char **argv)
{
    kith_err err;
    int n;

    if (argc != 1 || strcmp(argv[0], "--help") == 0) {
        printf("usage: kith check DIR\n\nReads everything in a closed database and reports what fails its checks.\n"
               "Exit status: 0 sound, 1 problems were found or it could not be opened.\n");
        return argc != 1;
    }
    n = kith_check(argv[0], print_problem, NULL, &err);
    if (n < 0)
        return cmd_fail("%s", err.text);
    printf(n ? "%d problems\n" : "sound\n", n);
    return n > 0;
}

static int print_memory(kith_db *db, const char *name)
{
    kith_memory m;
    kith_err err;

    if (kith_memory_get(db, name, &m, &err) < 0)
        return cmd_fail("%s", err.text);
    for (size_t i = 0; i < m.count; i++)
        printf("    %s%s%s: %llu bytes in files, %llu in memory\n", m.parts[i].what, m.parts[i].name[0] ? " " : "",
               m.parts[i].name, (unsigned long long)m.parts[i].stored, (unsigned long long)m.parts[i].held);
    kith_memory_free(&m);
    return 0;
}

static int print_collection(kith_db *db, const char *name)
{
    kith_collection_info info;
    kith_err err;

    if (kith_info(db, name, &info, &err) < 0)
        return cmd_fail("%s", err.text);
    printf("%s\n    points %llu, segments %llu, vectors in graphs %llu, LSN %llu%s%s\n", name,
           (unsigned long long)info.points, (unsigned long long)info.segments,
           (unsigned long long)info.indexed_vectors, (unsigned long long)info.lsn, info.problem ? "\n    PROBLEM: " : "",
           info.problem ? info.problem : "");
    for (size_t i = 0; i < info.schema.vectors_count; i++) {
        const kith_vector_params *v = &info.schema.vectors[i];
        printf("    vector \"%s\": ", v->name);
        if (v->dim) /* sparse ones have no size */
            printf("%u x ", v->dim);
        printf("%s, %s\n", kith_element_name(v->element), kith_metric_name(v->metric));
    }
    for (size_t i = 0; i < info.schema.fields_count; i++)
        printf("    field %s: %llu points\n", info.schema.fields[i].path, (unsigned long long)info.field_points[i]);
    kith_info_free(&info);
    return print_memory(db, name);
}

int cmd_info(int argc, char **argv)
{
    kith_names names;
    kith_stats stats;
    kith_err err;
    kith_db *db;
    int status = 0;

    if (argc != 1 || strcmp(argv[0], "--help") == 0) {
        printf("usage: kith info DIR\n\nSays what the database in DIR holds. It must not be in use.\n");
        return argc != 1;
    }
    db = kith_open(argv[0], NULL, &err);
    if (!db)
        return cmd_fail("%s", err.text);
    kith_stats_get(db, &stats);
    printf("durability: %s\nlog: LSN %llu, %llu bytes\ncollections: %llu\n", stats.durable ? "group" : "none",
           (unsigned long long)stats.log_lsn, (unsigned long long)stats.log_bytes,
           (unsigned long long)stats.collections);
    if (kith_list(db, &names, &err) < 0)
        status = cmd_fail("%s", err.text);
    for (size_t i = 0; !status && i < names.count; i++)
        status = print_collection(db, names.names[i]);
    if (!status)
        kith_names_free(&names);
    kith_close(db);
    return status;
}
