/* column.c - keys and rows in chunks that never move. */
#include "field/column.h"

#include "base/buf.h"
#include "base/ctx.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"
#include "doc/geo.h"

enum { TABLE_FIRST = 64 };
#define NO_KEY UINT32_MAX
#define SEVERAL 0x80000000u /* the rest: where in `lists` they are, their number first */

struct column_key {
    union {
        int64_t i;
        double d;
        const uint8_t *text; /* in the arena */
    } as;
    uint32_t size, hash;
};

struct column_row {
    uint32_t key;
    uint8_t flags;
};

struct column {
    struct ctx own; /* its arena: the field's path, texts */
    struct schema_field f;
    struct chunks keys, rows, lists;
    atomic_uint keys_count;
    uint64_t bytes;
    /* the writer's */
    uint32_t lists_count, table_size, *table; /* key number + 1, by hash */
    struct buf found; /* u32: keys of the row that is added */
    bool failed;
};

int column_new(struct ctx *c, const struct schema_field *f, struct column **ret_column)
{
    struct column *x = mem_zalloc(sizeof *x);
    const char *stem = "", *stops = "";
    char *path;

    if (!x)
        return err_nomem(c);
    ctx_init(&x->own, c->os);
    x->f.id = f->id;
    x->f.def.index = f->def.index;
    x->f.def.text = f->def.text;
    if (f->def.text.stem)
        x->f.def.text.stem = stem = arena_str(&x->own.arena, f->def.text.stem, strlen(f->def.text.stem));
    if (f->def.text.stops)
        x->f.def.text.stops = stops = arena_str(&x->own.arena, f->def.text.stops, strlen(f->def.text.stops));
    path = arena_str(&x->own.arena, f->def.path, strlen(f->def.path));
    if (!path || !stem || !stops || path_parse(&x->own, path, &x->f.path) < 0) {
        column_free(x);
        return err_nomem(c);
    }
    *ret_column = x;
    return 0;
}

void column_free(struct column *x)
{
    if (!x)
        return;
    chunks_release(&x->keys);
    chunks_release(&x->rows);
    chunks_release(&x->lists);
    ctx_release(&x->own);
    mem_free(x->table);
    buf_release(&x->found);
    mem_free(x);
}

uint32_t column_field(const struct column *x)
{
    return x->f.id;
}

uint64_t column_bytes(const struct column *x)
{
    return x->bytes + x->own.arena.bytes;
}

/* ---- the writer: keys ----------------------------------------------------------------------------------------- */

static struct column_key *key_at(const struct column *x, uint32_t i)
{
    return chunks_at(&x->keys, sizeof(struct column_key), i);
}

static int reserve(struct column *x, struct chunks *c, size_t size, uint32_t i)
{
    int64_t more = chunks_reserve(c, size, i);

    if (more < 0)
        return KITH_NOMEM;
    x->bytes += (uint64_t)more;
    return 0;
}

static bool same_key(const struct column *x, const struct column_key *a, const struct column_key *b)
{
    if (a->hash != b->hash || a->size != b->size)
        return false;
    return field_is_text(x->f.def.index) ? memcmp(a->as.text, b->as.text, a->size) == 0 : a->as.i == b->as.i;
}

static void place(struct column *x, uint32_t number)
{
    uint32_t at = key_at(x, number)->hash & (x->table_size - 1);

    while (x->table[at])
        at = (at + 1) & (x->table_size - 1);
    x->table[at] = number + 1;
}

static int fit_table(struct column *x, uint32_t count)
{
    uint32_t size = x->table_size ? x->table_size * 2 : TABLE_FIRST, *table;

    if (count < x->table_size / 2)
        return 0;
    table = mem_zalloc((size_t)size * sizeof *table);
    if (!table)
        return KITH_NOMEM;
    mem_free(x->table);
    x->bytes += (uint64_t)(size - x->table_size) * sizeof *table;
    x->table = table;
    x->table_size = size;
    for (uint32_t i = 0; i < count; i++)
        place(x, i);
    return 0;
}

static int new_key(struct column *x, const struct column_key *k, uint32_t *ret_number)
{
    uint32_t n = atomic_load_explicit(&x->keys_count, memory_order_relaxed);
    struct column_key *to;

    if (n >= SEVERAL - 1 || fit_table(x, n) < 0 || reserve(x, &x->keys, sizeof *to, n) < 0)
        return KITH_NOMEM;
    to = key_at(x, n);
    *to = *k;
    if (field_is_text(x->f.def.index)) {
        to->as.text = arena_copy(&x->own.arena, k->as.text, k->size);
        if (!to->as.text)
            return KITH_NOMEM;
    }
    place(x, n);
    atomic_store_explicit(&x->keys_count, n + 1, memory_order_release);
    *ret_number = n;
    return 0;
}

static struct column_key key_from(const struct column *x, const struct field_key *k)
{
    struct column_key key = {.as.i = k->as.i};

    if (x->f.def.index == KITH_INDEX_FLOAT)
        key.as.d = k->as.d;
    if (field_is_text(x->f.def.index)) {
        key.as.text = k->text.data;
        key.size = (uint32_t)k->text.size;
        key.hash = (uint32_t)hash_bytes(k->text.data, k->text.size, 0);
    } else {
        key.hash = (uint32_t)hash_bytes(&key.as, sizeof key.as, 0);
    }
    return key;
}

static int number_of(struct column *x, const struct field_key *k, uint32_t *ret_number)
{
    struct column_key key = key_from(x, k);

    for (uint32_t at = key.hash & (x->table_size - 1); x->table_size && x->table[at];
         at = (at + 1) & (x->table_size - 1)) {
        if (same_key(x, key_at(x, x->table[at] - 1), &key)) {
            *ret_number = x->table[at] - 1;
            return 0;
        }
    }
    return new_key(x, &key, ret_number);
}

/* ---- the writer: rows ----------------------------------------------------------------------------------------- */

static void take(void *arg, const struct field_key *k)
{
    struct column *x = arg;
    uint32_t number;

    if (x->failed || number_of(x, k, &number) < 0) {
        x->failed = true;
        return;
    }
    buf_u32(&x->found, number);
}

static int put_list(struct column *x, const uint32_t *found, uint32_t count, uint32_t *ret_key)
{
    uint32_t start = x->lists_count;

    if (start >= NO_KEY - SEVERAL - count - 1)
        return KITH_NOMEM;
    for (uint32_t i = 0; i <= count; i++) {
        TRY(reserve(x, &x->lists, sizeof(uint32_t), start + i));
        *(uint32_t *)chunks_at(&x->lists, sizeof(uint32_t), start + i) = i ? found[i - 1] : count;
    }
    x->lists_count += count + 1;
    *ret_key = SEVERAL | start;
    return 0;
}

int column_add(struct ctx *c, struct column *x, row_id row, struct val doc)
{
    struct column_row r = {.key = NO_KEY};
    const uint32_t *found;
    uint32_t count;

    x->found.size = 0;
    x->found.failed = x->failed = false;
    r.flags = field_keys(&x->f, doc, take, x);
    found = (const uint32_t *)(const void *)x->found.data;
    count = (uint32_t)(x->found.size / sizeof *found);
    if (count == 1)
        r.key = found[0];
    if (x->failed || x->found.failed || (count > 1 && put_list(x, found, count, &r.key) < 0) ||
        reserve(x, &x->rows, sizeof r, row) < 0)
        return err_nomem(c);
    *(struct column_row *)chunks_at(&x->rows, sizeof r, row) = r;
    return 0;
}

/* ---- readers: which keys --------------------------------------------------------------------------------------- */

/* A condition made ready: values as keys. */
struct asking {
    const struct column *x;
    const kith_filter *f;
    const struct pred *p;
    bool unsure; /* documents are to say */
    struct column_key *values;
    uint32_t values_count;
};

/* False: no key of this kind can be equal to such a value, or other values could. */
static bool value_key(const struct column *x, const kith_value *v, uint8_t uuid[16], struct column_key *to,
                      bool *ret_none)
{
    struct field_key k = {0};

    *ret_none = false;
    switch (x->f.def.index) {
    case KITH_INDEX_KEYWORD:
        k.text = (struct bytes){(const uint8_t *)v->str, v->size};
        break;
    case KITH_INDEX_UUID:
        *ret_none = v->kind == KITH_VALUE_STR && !uuid_parse(v->str, v->size, uuid);
        k.text = (struct bytes){uuid, 16};
        break;
    case KITH_INDEX_INTEGER:
        k.as.i = v->num;
        break;
    case KITH_INDEX_BOOL:
        k.as.i = v->boolean;
        break;
    case KITH_INDEX_FLOAT: case KITH_INDEX_DATETIME: case KITH_INDEX_TEXT: case KITH_INDEX_GEO: case KITH_INDEX_NONE:
        return false;
    }
    if (v->kind != (field_is_text(x->f.def.index) ? KITH_VALUE_STR
                    : x->f.def.index == KITH_INDEX_BOOL ? KITH_VALUE_BOOL : KITH_VALUE_INT))
        return false;
    if (!*ret_none)
        *to = key_from(x, &k);
    return true;
}

static int read_values(struct ctx *c, struct asking *a)
{
    const kith_filter *f = a->f;
    uint8_t *uuids = arena_alloc(&c->arena, 16 * f->values_count);

    a->values = arena_alloc(&c->arena, f->values_count * sizeof *a->values);
    if (!a->values || !uuids)
        return err_nomem(c);
    for (size_t i = 0; i < f->values_count; i++) {
        bool none;
        if (!value_key(a->x, &f->values[i], uuids + 16 * i, &a->values[a->values_count], &none))
            return 0;
        a->values_count += !none;
    }
    return 1;
}

static bool is_listed(const struct asking *a, const struct column_key *k)
{
    for (uint32_t i = 0; i < a->values_count; i++) {
        if (same_key(a->x, k, &a->values[i]))
            return true;
    }
    return false;
}

#define WITHIN(x, ends)                                                                            \
    ((!(f->bounds & KITH_GT) || (x) > (ends).gt) && (!(f->bounds & KITH_GTE) || (x) >= (ends).gte) && \
     (!(f->bounds & KITH_LT) || (x) < (ends).lt) && (!(f->bounds & KITH_LTE) || (x) <= (ends).lte))

static bool is_text(const struct column_key *k, struct bytes text)
{
    return text.size == k->size && memcmp(text.data, k->as.text, k->size) == 0;
}

/* Of all words that are wanted the longest: rows with the others alone need not be looked at. */
static bool is_word(const struct asking *a, const struct column_key *k)
{
    const struct pred *p = a->p;
    uint32_t longest = 0;

    for (uint32_t i = 0; i < p->words_count; i++) {
        longest = p->words[i].size > p->words[longest].size ? i : longest;
        if (a->f->kind == KITH_COND_TEXT_ANY && is_text(k, p->words[i]))
            return true;
    }
    return a->f->kind != KITH_COND_TEXT_ANY && p->words_count && is_text(k, p->words[longest]);
}

static bool is_near(const struct asking *a, int64_t cell)
{
    struct geo_span spans[2];
    uint32_t n = geo_spans(a->f, spans), band = (uint32_t)(cell / GEO_COLUMNS), column = (uint32_t)(cell % GEO_COLUMNS);

    for (uint32_t i = 0; i < n; i++) {
        if (band >= spans[i].bands[0] && band <= spans[i].bands[1] && column >= spans[i].columns[0] &&
            column <= spans[i].columns[1])
            return true;
    }
    return false;
}

static bool key_matches(const struct asking *a, const struct column_key *k)
{
    const kith_filter *f = a->f;
    double number = a->x->f.def.index == KITH_INDEX_FLOAT ? k->as.d : (double)k->as.i;

    if (a->x->f.def.index == KITH_INDEX_TEXT)
        return is_word(a, k);
    if (a->x->f.def.index == KITH_INDEX_GEO)
        return is_near(a, k->as.i);
    if (f->kind == KITH_COND_RANGE)
        return WITHIN(number, f->range);
    if (f->kind == KITH_COND_DATETIME)
        return WITHIN(k->as.i, f->times);
    if (f->kind == KITH_COND_PREFIX)
        return k->size >= f->values[0].size && memcmp(k->as.text, f->values[0].str, f->values[0].size) == 0;
    return is_listed(a, k) == (f->kind == KITH_COND_MATCH); /* or except */
}

/* 1: by keys; 2: by flags alone; 0: not by this column. */
static int ask(struct ctx *c, struct asking *a)
{
    kith_index_kind kind = a->x->f.def.index;

    bool text = a->f->kind == KITH_COND_TEXT || a->f->kind == KITH_COND_TEXT_ANY || a->f->kind == KITH_COND_PHRASE;
    bool geo = a->f->kind == KITH_COND_GEO_BOX || a->f->kind == KITH_COND_GEO_RADIUS ||
               a->f->kind == KITH_COND_GEO_POLYGON;

    a->unsure = geo || (text && a->f->kind != KITH_COND_TEXT_ANY && a->p->words_count > 1);
    if (text)
        return kind == KITH_INDEX_TEXT && a->p->as_indexed;
    if (geo)
        return kind == KITH_INDEX_GEO;
    if ((a->f->kind == KITH_COND_MATCH || a->f->kind == KITH_COND_EXCEPT) &&
        (kind == KITH_INDEX_TEXT || kind == KITH_INDEX_GEO))
        return 0;
    if (a->f->kind == KITH_COND_MATCH || a->f->kind == KITH_COND_EXCEPT)
        return read_values(c, a);
    if (a->f->kind == KITH_COND_IS_EMPTY || a->f->kind == KITH_COND_IS_NULL)
        return 2;
    return (a->f->kind == KITH_COND_RANGE && (kind == KITH_INDEX_INTEGER || kind == KITH_INDEX_FLOAT)) ||
           (a->f->kind == KITH_COND_DATETIME && kind == KITH_INDEX_DATETIME) ||
           (a->f->kind == KITH_COND_PREFIX && kind == KITH_INDEX_KEYWORD);
}

/* ---- readers: which rows --------------------------------------------------------------------------------------- */

static bool any_of_list(const struct column *x, uint32_t start, const struct bits *hits)
{
    uint32_t n = *(const uint32_t *)chunks_at(&x->lists, sizeof n, start);

    for (uint32_t i = 1; i <= n; i++) {
        if (bits_get(hits, *(const uint32_t *)chunks_at(&x->lists, sizeof n, start + i)))
            return true;
    }
    return false;
}

static bool row_matches(const struct asking *a, const struct column_row *r, const struct bits *hits)
{
    if (a->f->kind == KITH_COND_IS_EMPTY)
        return !(r->flags & ROW_NOT_EMPTY);
    if (a->f->kind == KITH_COND_IS_NULL)
        return r->flags & ROW_NULL;
    if (a->f->kind == KITH_COND_EXCEPT && r->flags & ROW_OTHER)
        return true; /* values of other kinds equal nothing in the list */
    if (r->key == NO_KEY)
        return false;
    return r->key & SEVERAL ? any_of_list(a->x, r->key & ~SEVERAL, hits) : bits_get(hits, r->key);
}

static void find_rows(const struct asking *a, const struct bits *hits, struct bits *sure, struct bits *maybe)
{
    bool others = a->f->kind == KITH_COND_RANGE && a->x->f.def.index == KITH_INDEX_INTEGER; /* fractions */
    struct bits *to = a->unsure ? maybe : sure;
    uint32_t row = 0;

    while (row < sure->size) {
        uint32_t at, k = chunk_of(row, &at), end = MIN(sure->size, row + ((uint32_t)CHUNK_FIRST << k) - at);
        const struct column_row *r = chunks_at(&a->x->rows, sizeof *r, row);
        for (; row < end; row++, r++) {
            to->words[row >> 6] |= (uint64_t)row_matches(a, r, hits) << (row & 63);
            if (others && r->flags & ROW_OTHER)
                bits_set(maybe, row);
        }
    }
}

int column_match(struct ctx *c, const struct column *x, const struct pred *p, struct bits *sure, struct bits *maybe)
{
    struct asking a = {.x = x, .f = p->f, .p = p};
    uint32_t keys = atomic_load_explicit(&((struct column *)(uintptr_t)x)->keys_count, memory_order_acquire);
    struct bits hits;
    int by = ask(c, &a);

    if (by <= 0)
        return by;
    if (bits_new(&c->arena, keys, &hits) < 0)
        return err_nomem(c);
    for (uint32_t i = 0; i < keys && by == 1; i++) {
        if (key_matches(&a, key_at(x, i)))
            bits_set(&hits, i);
    }
    find_rows(&a, &hits, sure, maybe);
    return 1;
}

/* ---- readers: words and how often ------------------------------------------------------------------------------ */

void column_words(const struct column *x, const struct bytes *words, uint32_t count, uint32_t *ret_keys)
{
    uint32_t keys = atomic_load_explicit(&((struct column *)(uintptr_t)x)->keys_count, memory_order_acquire);
    uint32_t hashes[64];

    for (uint32_t at = 0; at < count; at += ARRAY_SIZE(hashes)) { /* so many at a time */
        uint32_t n = MIN(count - at, (uint32_t)ARRAY_SIZE(hashes));
        for (uint32_t i = 0; i < n; i++) {
            hashes[i] = (uint32_t)hash_bytes(words[at + i].data, words[at + i].size, 0);
            ret_keys[at + i] = UINT32_MAX;
        }
        for (uint32_t k = 0; k < keys; k++) {
            const struct column_key *key = key_at(x, k);
            for (uint32_t i = 0; i < n; i++) {
                if (key->hash == hashes[i] && is_text(key, words[at + i]))
                    ret_keys[at + i] = k;
            }
        }
    }
}

uint32_t column_times(const struct column *x, row_id row, const uint32_t *keys, uint32_t count, uint32_t *ret_times)
{
    const struct column_row *r = chunks_at(&x->rows, sizeof *r, row);
    uint32_t n = r->key == NO_KEY ? 0 : 1, start = r->key & ~SEVERAL;

    memset(ret_times, 0, count * sizeof *ret_times);
    if (n && r->key & SEVERAL)
        n = *(const uint32_t *)chunks_at(&x->lists, sizeof n, start);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = r->key & SEVERAL ? *(const uint32_t *)chunks_at(&x->lists, sizeof n, start + 1 + i) : r->key;
        for (uint32_t j = 0; j < count; j++)
            ret_times[j] += keys[j] == key;
    }
    return n;
}
