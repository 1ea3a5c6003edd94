/* pb_load.c - a FileDescriptorSet into tables. Field numbers below are those of descriptor.proto. */
#include "codec/pb.h"

#include "base/ctx.h"

#include <stdio.h>
#include <stdlib.h>

struct wire_field {
    uint32_t number;
    uint64_t n;
    struct bytes bytes;
};

static bool next_field(struct reader *r, struct wire_field *f)
{
    uint64_t tag;

    if (r->at == r->end || r->failed)
        return false;
    tag = read_varint(r);
    *f = (struct wire_field){(uint32_t)(tag >> 3), 0, {NULL, 0}};
    switch (tag & 7) {
    case 0: f->n = read_varint(r); break;
    case 1: f->n = read_u64(r); break;
    case 2: f->bytes = read_blob(r); break;
    case 5: f->n = read_u32(r); break;
    default: r->failed = true;
    }
    return !r->failed;
}

struct loading {
    struct ctx *c;
    struct pb_schema *s;
    bool count; /* the first pass only counts */
    bool short_of_memory;
    const struct pb_file *file;
};

static const char *text_of(struct loading *l, struct bytes b)
{
    const char *s = arena_str(&l->c->arena, (const char *)b.data, b.size);

    l->short_of_memory = l->short_of_memory || !s;
    return s ? s : "";
}

static const char *joined(struct loading *l, const char *scope, char between, const char *name)
{
    char text[256];

    snprintf(text, sizeof text, "%s%c%s", scope, between, name);
    return text_of(l, (struct bytes){(const uint8_t *)text + !*scope, strlen(text + !*scope)});
}

/* Words in lower case, with _ between them where a lower case letter stands before an upper case one. */
static const char *snake(struct loading *l, const char *name)
{
    char text[128];
    size_t n = 0;

    for (size_t i = 0; name[i] && n + 2 < sizeof text; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        if (upper && i && name[i - 1] >= 'a' && name[i - 1] <= 'z')
            text[n++] = '_';
        text[n++] = (char)(upper ? name[i] + 32 : name[i]);
    }
    return text_of(l, (struct bytes){(const uint8_t *)text, n});
}

static const char *name_in(struct loading *l, struct bytes b, uint32_t number)
{
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;

    while (next_field(&r, &f)) {
        if (f.number == number)
            return text_of(l, f.bytes);
    }
    return "";
}

static size_t count_in(struct bytes b, uint32_t number)
{
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;
    size_t n = 0;

    while (next_field(&r, &f))
        n += f.number == number;
    return n;
}

static void load_enum(struct loading *l, struct bytes b, const char *scope)
{
    struct pb_enum *e = l->count ? NULL : &l->s->enums[l->s->enums_count];
    struct reader r = reader_of(b.data, b.size), v;
    struct wire_field f, g;

    l->s->enums_count++;
    if (l->count)
        return;
    e->file = l->file;
    e->full_name = joined(l, scope, '.', name_in(l, b, 1));
    e->values = arena_zalloc(&l->c->arena, MAX(count_in(b, 2), (size_t)1) * sizeof *e->values);
    l->short_of_memory = l->short_of_memory || !e->values;
    while (e->values && next_field(&r, &f)) {
        if (f.number != 2)
            continue;
        e->values[e->count].name = snake(l, name_in(l, f.bytes, 1));
        for (v = reader_of(f.bytes.data, f.bytes.size); next_field(&v, &g);) {
            if (g.number == 2)
                e->values[e->count].number = (int32_t)g.n;
        }
        e->count++;
    }
}

static void load_field(struct loading *l, struct bytes b, struct pb_field *to)
{
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;
    bool presence = false;

    while (next_field(&r, &f)) {
        switch (f.number) {
        case 1: to->name = to->own_name = text_of(l, f.bytes); break;
        case 3: to->number = (uint32_t)f.n; break;
        case 4: to->repeated = f.n == 3; break;
        case 5: to->type = (enum pb_type)f.n; break;
        case 6: to->type_name = text_of(l, (struct bytes){f.bytes.data + 1, f.bytes.size - 1}); break;
        case 9: to->oneof = (uint32_t)f.n + 1; break;
        case 17: presence = f.n; break;
        default: break;
        }
    }
    if (presence) /* a oneof of its own says so; there is no choice */
        to->oneof = 0;
    to->implicit = !presence && !to->oneof && !to->repeated && to->type != PB_MESSAGE;
}

static int by_number(const void *a, const void *b)
{
    const struct pb_field *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static bool is_map_entry(struct bytes options)
{
    struct reader r = reader_of(options.data, options.size);
    struct wire_field f;

    while (next_field(&r, &f)) {
        if (f.number == 7)
            return f.n;
    }
    return false;
}

static void load_message(struct loading *l, struct bytes b, const char *scope, uint32_t depth)
{
    struct pb_message *m = l->count ? NULL : &l->s->messages[l->s->messages_count];
    const char *name = l->count ? "" : joined(l, scope, '.', name_in(l, b, 1));
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;

    l->s->messages_count++;
    if (!l->count) {
        m->file = l->file;
        m->full_name = name;
        m->fields = arena_zalloc(&l->c->arena, MAX(count_in(b, 2), (size_t)1) * sizeof *m->fields);
        l->short_of_memory = l->short_of_memory || !m->fields;
    }
    while (next_field(&r, &f)) {
        if (f.number == 2 && !l->count && m->fields)
            load_field(l, f.bytes, &m->fields[m->count++]);
        else if (f.number == 3 && depth < PB_DEPTH_MAX)
            load_message(l, f.bytes, name, depth + 1);
        else if (f.number == 4)
            load_enum(l, f.bytes, name);
        else if (f.number == 7 && !l->count)
            m->map = is_map_entry(f.bytes);
    }
    if (!l->count && m->fields)
        qsort(m->fields, m->count, sizeof *m->fields, by_number);
}

static void load_method(struct loading *l, struct bytes b, const char *service)
{
    struct pb_method *m = l->count ? NULL : &l->s->methods[l->s->methods_count];
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;

    l->s->methods_count++;
    if (l->count)
        return;
    m->file = l->file;
    while (next_field(&r, &f)) {
        struct bytes type = {f.bytes.data + 1, f.bytes.size - 1}; /* without the dot in front */
        switch (f.number) {
        case 1: m->path = joined(l, service, '/', text_of(l, f.bytes)); break;
        case 2: m->in_name = text_of(l, type); break;
        case 3: m->out_name = text_of(l, type); break;
        case 5: case 6: m->streams = m->streams || f.n; break;
        default: break;
        }
    }
}

static void load_service(struct loading *l, struct bytes b, const char *package)
{
    const char *name = l->count ? "" : joined(l, "/", '/', joined(l, package, '.', name_in(l, b, 1)));
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;

    while (next_field(&r, &f)) {
        if (f.number == 2)
            load_method(l, f.bytes, name + (*name != 0)); /* one of the two strokes */
    }
}

static void load_file(struct loading *l, struct bytes b)
{
    const char *package = l->count ? "" : name_in(l, b, 2);
    struct pb_file *file = l->count ? NULL : &l->s->files[l->s->files_count];
    struct reader r = reader_of(b.data, b.size);
    struct wire_field f;

    l->s->files_count++;
    l->file = file;
    if (!l->count)
        *file = (struct pb_file){name_in(l, b, 1), package, b};
    while (next_field(&r, &f)) {
        if (f.number == 4)
            load_message(l, f.bytes, package, 0);
        else if (f.number == 5)
            load_enum(l, f.bytes, package);
        else if (f.number == 6)
            load_service(l, f.bytes, package);
    }
}

static void load_set(struct loading *l, struct bytes set)
{
    struct reader r = reader_of(set.data, set.size);
    struct wire_field f;

    l->s->messages_count = l->s->enums_count = l->s->methods_count = l->s->files_count = 0;
    while (next_field(&r, &f)) {
        if (f.number == 1)
            load_file(l, f.bytes);
    }
}

static int resolve(struct ctx *c, struct pb_schema *s)
{
    for (size_t i = 0; i < s->messages_count; i++) {
        struct pb_message *m = &s->messages[i];
        if (m->count > PB_FIELDS_MAX)
            return err_set(c, KITH_LIMIT, "message %s: more than %d fields", m->full_name, PB_FIELDS_MAX);
        for (size_t j = 0; j < m->count; j++) {
            struct pb_field *f = &m->fields[j];
            if (f->type == PB_MESSAGE)
                f->message = pb_message_named(s, f->type_name);
            if (f->type == PB_ENUM)
                f->values = pb_enum_named(s, f->type_name);
            if ((f->type == PB_MESSAGE && !f->message) || (f->type == PB_ENUM && !f->values))
                return err_set(c, KITH_INVALID, "message %s: no type %s", m->full_name, f->type_name);
        }
    }
    for (size_t i = 0; i < s->methods_count; i++) {
        s->methods[i].in = pb_message_named(s, s->methods[i].in_name);
        s->methods[i].out = pb_message_named(s, s->methods[i].out_name);
        if (!s->methods[i].in || !s->methods[i].out)
            return err_set(c, KITH_INVALID, "method %s: a type is missing", s->methods[i].path);
    }
    return 0;
}

int pb_load(struct ctx *c, struct bytes set, struct pb_schema *ret_schema)
{
    struct pb_schema s = {0};
    struct loading l = {.c = c, .s = &s, .count = true};

    load_set(&l, set);
    s.messages = arena_zalloc(&c->arena, (s.messages_count + 1) * sizeof *s.messages);
    s.enums = arena_zalloc(&c->arena, (s.enums_count + 1) * sizeof *s.enums);
    s.methods = arena_zalloc(&c->arena, (s.methods_count + 1) * sizeof *s.methods);
    s.files = arena_zalloc(&c->arena, (s.files_count + 1) * sizeof *s.files);
    if (!s.messages || !s.enums || !s.methods || !s.files)
        return err_nomem(c);
    l.count = false;
    load_set(&l, set);
    if (l.short_of_memory)
        return err_nomem(c);
    TRY(resolve(c, &s));
    *ret_schema = s;
    return 0;
}

struct pb_message *pb_message_named(struct pb_schema *s, const char *full_name)
{
    for (size_t i = 0; i < s->messages_count; i++) {
        if (strcmp(s->messages[i].full_name, full_name) == 0)
            return &s->messages[i];
    }
    return NULL;
}

struct pb_enum *pb_enum_named(struct pb_schema *s, const char *full_name)
{
    for (size_t i = 0; i < s->enums_count; i++) {
        if (strcmp(s->enums[i].full_name, full_name) == 0)
            return &s->enums[i];
    }
    return NULL;
}

const struct pb_method *pb_method_at(const struct pb_schema *s, const char *path)
{
    for (size_t i = 0; i < s->methods_count; i++) {
        if (strcmp(s->methods[i].path, path) == 0)
            return &s->methods[i];
    }
    return NULL;
}

static const char *without_package(const char *full_name, const struct pb_schema *s)
{
    for (size_t i = 0; i < s->files_count; i++) {
        size_t n = strlen(s->files[i].package);
        if (strncmp(full_name, s->files[i].package, n) == 0 && full_name[n] == '.')
            return full_name + n + 1;
    }
    return full_name;
}

static bool apply_to_message(struct pb_schema *s, const struct pb_rule *rule)
{
    bool found = false;

    for (size_t i = 0; i < s->messages_count; i++) {
        struct pb_message *m = &s->messages[i];
        if (strcmp(without_package(m->full_name, s), rule->message) != 0)
            continue;
        for (size_t j = 0; j < m->count; j++) {
            struct pb_field *f = &m->fields[j];
            if (strcmp(f->own_name, rule->field) != 0)
                continue;
            f->how = rule->how;
            f->name = rule->name ? rule->name : f->name;
            f->raw = rule->flags & PB_RAW;
            f->always = rule->flags & PB_ALWAYS;
            found = true;
        }
    }
    return found;
}

static bool apply_to_enum(struct pb_schema *s, const struct pb_rule *rule)
{
    for (size_t i = 0; i < s->enums_count; i++) {
        if (strcmp(without_package(s->enums[i].full_name, s), rule->message) != 0)
            continue;
        for (size_t j = 0; j < s->enums[i].count; j++) {
            if (strcmp(s->enums[i].values[j].name, rule->field) == 0) {
                s->enums[i].values[j].name = rule->name;
                return true;
            }
        }
    }
    return false;
}

int pb_apply(struct ctx *c, struct pb_schema *s, const struct pb_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!apply_to_message(s, &rules[i]) && !apply_to_enum(s, &rules[i]))
            return err_set(c, KITH_INVALID, "rule for %s.%s: there is no such field", rules[i].message, rules[i].field);
    }
    return 0;
}
