/* field.c - opening and asking field indexes. */
#include "doc/geo.h"
#include "field/field.h"
#include "field/keys.h"
#include "field/words.h"

#include "base/ctx.h"
#include "base/id.h"
#include "base/mem.h"

static bool take_bits(struct reader *r, uint32_t rows, struct bits *ret)
{
    const uint8_t *p = read_bytes(r, (uint64_t)bits_words(rows) * 8);

    ret->words = (uint64_t *)(uintptr_t)p;
    ret->size = rows;
    return p != NULL;
}

static bool lists_in_bounds(const struct field_index *x)
{
    if (x->starts[x->keys_count] != x->entries)
        return false;
    for (uint32_t i = 0; i < x->keys_count; i++) {
        if (x->starts[i] > x->starts[i + 1])
            return false;
    }
    for (uint64_t i = 0; i < x->entries; i++) {
        if (x->row_list[i] >= x->rows)
            return false;
    }
    return true;
}

enum { STEPS_FROM = 4096 };

/* Set j holds the rows of the entries before step_at(j + 1). Without memory for them ranges are as right. */
static uint64_t step_at(const struct field_index *x, uint64_t j)
{
    return x->entries * j / FIELD_STEPS;
}

static void make_steps(struct field_index *x)
{
    uint32_t words = bits_words(x->rows);
    struct bits before, set;

    if (x->kind == KITH_INDEX_UUID || x->entries < STEPS_FROM || !x->one_key)
        return;
    x->steps = mem_zalloc((size_t)words * FIELD_STEPS * sizeof *x->steps);
    for (uint32_t j = 0; x->steps && j < FIELD_STEPS; j++) {
        set = (struct bits){x->steps + (size_t)j * words, x->rows};
        before = (struct bits){set.words - (j ? words : 0), x->rows};
        if (j)
            bits_or(&set, &before);
        for (uint64_t i = step_at(x, j); i < step_at(x, j + 1); i++)
            bits_set(&set, x->row_list[i]);
    }
}

uint64_t field_held(const struct field_index *x)
{
    return x->steps ? (uint64_t)bits_words(x->rows) * FIELD_STEPS * sizeof *x->steps : 0;
}

void field_close(struct field_index *x)
{
    mem_free(x->steps);
    x->steps = NULL;
}

int field_open(struct ctx *c, struct bytes data, struct field_index *ret_index)
{
    struct field_index x = {0};
    struct reader r = reader_of(data.data, data.size);
    uint32_t flags;
    size_t at;

    x.kind = (kith_index_kind)read_u32(&r);
    x.rows = read_u32(&r);
    x.keys_count = read_u32(&r);
    flags = read_u32(&r); /* 0 of the first releases */
    x.single = flags & FIELD_SINGLE;
    x.entries = read_u64(&r);
    if (field_has_texts(x.kind))
        x.offsets = (const void *)read_bytes(&r, ((uint64_t)x.keys_count + 1) * 4);
    else
        x.keys = read_bytes(&r, (uint64_t)x.keys_count * (x.kind == KITH_INDEX_UUID ? 16 : 8));
    x.starts = (const void *)read_bytes(&r, ((uint64_t)x.keys_count + 1) * 4);
    x.row_list = (const void *)read_bytes(&r, x.entries * 4);
    at = (size_t)(r.at - data.data);
    (void)read_bytes(&r, align_up(at, 8) - at);
    if (r.failed || !take_bits(&r, x.rows, &x.indexed) || !take_bits(&r, x.rows, &x.other) ||
        !take_bits(&r, x.rows, &x.empty) || !take_bits(&r, x.rows, &x.null) || !lists_in_bounds(&x))
        return err_set(c, KITH_CORRUPT, "field index: malformed");
    x.text = read_bytes(&r, x.offsets ? x.offsets[x.keys_count] : 0);
    if ((flags & FIELD_FREQUENT && !frequent_open(&r, data.data, x.rows, x.keys_count, &x.frequent)) || r.failed ||
        r.at != r.end)
        return err_set(c, KITH_CORRUPT, "field index: malformed");
    x.one_key = x.entries == bits_count(&x.indexed);
    x.whole = bits_count(&x.other) == 0;
    make_steps(&x);
    *ret_index = x;
    return 0;
}

void field_set_rows(const struct field_index *x, uint32_t key, struct bits *out)
{
    uint32_t set = frequent_find(&x->frequent, key);

    if (set != UINT32_MAX) {
        bits_or(out, &(struct bits){(uint64_t *)(uintptr_t)frequent_set(&x->frequent, set), x->rows});
        return;
    }
    for (uint32_t i = x->starts[key]; i < x->starts[key + 1]; i++)
        bits_set(out, x->row_list[i]);
}

static int64_t key_int(const struct field_index *x, uint32_t key)
{
    int64_t v;

    memcpy(&v, x->keys + (size_t)key * 8, 8);
    return v;
}

static int cmp_key_text(const struct field_index *x, uint32_t key, const char *s, size_t size)
{
    size_t n = x->offsets[key + 1] - x->offsets[key];
    int order = memcmp(x->text + x->offsets[key], s, MIN(n, size));

    return order ? order : n < size ? -1 : n > size;
}

/* The place of the first key that is not below the wanted one. */
static uint32_t lower_text(const struct field_index *x, const char *s, size_t size)
{
    uint32_t low = 0, high = x->keys_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cmp_key_text(x, middle, s, size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t lower_bytes(const struct field_index *x, const void *key, size_t size)
{
    uint32_t low = 0, high = x->keys_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        bool below;
        if (size == 8) {
            int64_t wanted;
            memcpy(&wanted, key, 8);
            below = key_int(x, middle) < wanted;
        } else {
            below = memcmp(x->keys + (size_t)middle * size, key, size) < 0;
        }
        if (below)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The key equal to the value, or UINT32_MAX. False: this index does not hold values of that kind. */
static bool find_value(const struct field_index *x, const kith_value *v, uint32_t *ret_key)
{
    uint32_t key;
    uint8_t uuid[16];
    int64_t i;

    *ret_key = UINT32_MAX;
    switch (x->kind) {
    case KITH_INDEX_KEYWORD:
        if (v->kind != KITH_VALUE_STR)
            return false;
        key = lower_text(x, v->str, v->size);
        if (key < x->keys_count && cmp_key_text(x, key, v->str, v->size) == 0)
            *ret_key = key;
        return true;
    case KITH_INDEX_INTEGER: case KITH_INDEX_BOOL:
        if (v->kind != (x->kind == KITH_INDEX_BOOL ? KITH_VALUE_BOOL : KITH_VALUE_INT))
            return false;
        i = v->kind == KITH_VALUE_BOOL ? v->boolean : v->num;
        key = lower_bytes(x, &i, 8);
        if (key < x->keys_count && key_int(x, key) == i)
            *ret_key = key;
        return true;
    case KITH_INDEX_UUID:
        if (v->kind != KITH_VALUE_STR)
            return false;
        if (!uuid_parse(v->str, v->size, uuid))
            return true;
        key = lower_bytes(x, uuid, 16);
        if (key < x->keys_count && memcmp(x->keys + (size_t)key * 16, uuid, 16) == 0)
            *ret_key = key;
        return true;
    case KITH_INDEX_FLOAT: case KITH_INDEX_DATETIME: case KITH_INDEX_TEXT: case KITH_INDEX_GEO: case KITH_INDEX_NONE:
        break;
    }
    return false;
}

static bool match_values(const struct field_index *x, const kith_filter *f, struct bits *sure)
{
    uint32_t key;

    for (size_t i = 0; i < f->values_count; i++) {
        if (!find_value(x, &f->values[i], &key))
            return false;
    }
    for (size_t i = 0; i < f->values_count; i++) {
        (void)find_value(x, &f->values[i], &key);
        if (key != UINT32_MAX)
            field_set_rows(x, key, sure);
    }
    return true;
}

static bool match_except(const struct field_index *x, const kith_filter *f, struct bits *sure)
{
    uint32_t key;

    if (x->kind == KITH_INDEX_TEXT || x->kind == KITH_INDEX_GEO)
        return false;
    for (size_t i = 0; i < f->values_count; i++) {
        if (!find_value(x, &f->values[i], &key))
            return false;
    }
    for (uint32_t k = 0; k < x->keys_count; k++) {
        bool listed = false;
        for (size_t i = 0; i < f->values_count && !listed; i++) {
            (void)find_value(x, &f->values[i], &key);
            listed = key == k;
        }
        if (!listed)
            field_set_rows(x, k, sure);
    }
    bits_or(sure, &x->other); /* values of other kinds equal nothing in the list */
    return true;
}

double field_key_number(const struct field_index *x, uint32_t key, int64_t *ret_int, bool *ret_is_int)
{
    double d;

    *ret_is_int = x->kind != KITH_INDEX_FLOAT;
    *ret_int = key_int(x, key);
    if (*ret_is_int)
        return (double)*ret_int;
    memcpy(&d, x->keys + (size_t)key * 8, 8);
    return d;
}

uint32_t field_key_from(const struct field_index *x, double v, bool after)
{
    uint32_t low = 0, high = x->keys_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int64_t i;
        bool is_int;
        double key = field_key_number(x, middle, &i, &is_int);
        if (key < v || (after && !(key > v)))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void set_key_range(const struct field_index *x, uint32_t from, uint32_t to, struct bits *sure)
{
    uint64_t first = from < to ? x->starts[from] : 0, last = from < to ? x->starts[to] : 0;
    uint64_t low = x->entries ? (first * FIELD_STEPS + x->entries - 1) / x->entries : 0; /* whole steps between */
    uint64_t high = x->entries ? last * FIELD_STEPS / x->entries : 0;
    uint32_t words = bits_words(x->rows);

    while (low <= FIELD_STEPS && step_at(x, low) < first)
        low++;
    while (high > 0 && step_at(x, high) > last)
        high--;
    if (x->steps && low < high) {
        const uint64_t *upto = x->steps + (size_t)(high - 1) * words, *before;
        before = low ? x->steps + (size_t)(low - 1) * words : NULL;
        for (uint32_t i = 0; i < words; i++)
            sure->words[i] |= upto[i] & ~(before ? before[i] : 0);
        for (uint64_t i = first; i < step_at(x, low); i++)
            bits_set(sure, x->row_list[i]);
        first = step_at(x, high);
    }
    for (uint64_t i = first; i < last; i++)
        bits_set(sure, x->row_list[i]);
}

struct key_range {
    uint32_t from, to;
};

static struct key_range keys_of_range(const struct field_index *x, const kith_filter *f)
{
    uint32_t from = 0, to = x->keys_count;

    if (f->bounds & KITH_GT)
        from = MAX(from, field_key_from(x, f->range.gt, true));
    if (f->bounds & KITH_GTE)
        from = MAX(from, field_key_from(x, f->range.gte, false));
    if (f->bounds & KITH_LT)
        to = MIN(to, field_key_from(x, f->range.lt, MUTANT(MUTANT_RANGE_END_INCLUSIVE)));
    if (f->bounds & KITH_LTE)
        to = MIN(to, field_key_from(x, f->range.lte, true));
    return (struct key_range){from, to};
}

static bool match_range(const struct field_index *x, const kith_filter *f, struct bits *sure, struct bits *maybe)
{
    struct key_range r;

    if (x->kind != KITH_INDEX_INTEGER && x->kind != KITH_INDEX_FLOAT)
        return false;
    r = keys_of_range(x, f);
    set_key_range(x, r.from, r.to, sure);
    if (x->kind == KITH_INDEX_INTEGER)
        bits_or(maybe, &x->other); /* fractions and numbers beyond 64 bits */
    return true;
}

static struct key_range keys_of_times(const struct field_index *x, const kith_filter *f)
{
    uint32_t from = 0, to = x->keys_count;
    int64_t above;

    if (f->bounds & KITH_GT && f->times.gt == INT64_MAX)
        return (struct key_range){0, 0};
    if (f->bounds & KITH_GT) {
        above = f->times.gt + 1;
        from = MAX(from, lower_bytes(x, &above, 8));
    }
    if (f->bounds & KITH_GTE)
        from = MAX(from, lower_bytes(x, &f->times.gte, 8));
    if (f->bounds & KITH_LT)
        to = MIN(to, lower_bytes(x, &f->times.lt, 8));
    if (f->bounds & KITH_LTE && f->times.lte != INT64_MAX) {
        above = f->times.lte + 1;
        to = MIN(to, lower_bytes(x, &above, 8));
    }
    return (struct key_range){from, to};
}

static bool match_times(const struct field_index *x, const kith_filter *f, struct bits *sure)
{
    struct key_range r;

    if (x->kind != KITH_INDEX_DATETIME)
        return false;
    r = keys_of_times(x, f);
    set_key_range(x, r.from, r.to, sure);
    return true;
}

static bool match_prefix(const struct field_index *x, const kith_filter *f, struct bits *sure)
{
    const kith_value *v = &f->values[0];

    if (x->kind != KITH_INDEX_KEYWORD)
        return false;
    for (uint32_t key = lower_text(x, v->str, v->size); key < x->keys_count; key++) {
        size_t n = x->offsets[key + 1] - x->offsets[key];
        if (n < v->size || memcmp(x->text + x->offsets[key], v->str, v->size) != 0)
            break;
        field_set_rows(x, key, sure);
    }
    return true;
}

uint32_t field_word(const struct field_index *x, struct bytes word)
{
    uint32_t key = lower_text(x, (const char *)word.data, word.size);

    return key < x->keys_count && cmp_key_text(x, key, (const char *)word.data, word.size) == 0 ? key : UINT32_MAX;
}

static bool match_geo(const struct field_index *x, const kith_filter *f, struct bits *sure, struct bits *maybe)
{
    struct geo_span spans[2];
    uint32_t n;

    if (x->kind != KITH_INDEX_GEO)
        return false;
    n = geo_spans(f, spans);
    for (uint32_t i = 0; i < n; i++) {
        for (int64_t band = spans[i].bands[0]; band <= spans[i].bands[1]; band++) {
            int64_t first = band * GEO_COLUMNS + spans[i].columns[0], last = band * GEO_COLUMNS + spans[i].columns[1];
            for (uint32_t key = lower_bytes(x, &first, 8); key < x->keys_count && key_int(x, key) <= last; key++)
                field_set_rows(x, key, geo_covers(f, key_int(x, key)) ? sure : maybe);
        }
    }
    return true;
}

bool field_rows(const struct field_index *x, const struct pred *p, const uint32_t **ret_rows, uint32_t *ret_count)
{
    struct key_range r = {0, 0};
    uint32_t key;

    if (p->f->kind == KITH_COND_MATCH && p->f->values_count == 1) {
        if (!find_value(x, &p->f->values[0], &key))
            return false;
        if (key != UINT32_MAX)
            r = (struct key_range){key, key + 1};
    } else if (p->f->kind == KITH_COND_RANGE && x->one_key && x->whole &&
               (x->kind == KITH_INDEX_INTEGER || x->kind == KITH_INDEX_FLOAT)) {
        r = keys_of_range(x, p->f);
    } else if (p->f->kind == KITH_COND_DATETIME && x->one_key && x->kind == KITH_INDEX_DATETIME) {
        r = keys_of_times(x, p->f);
    } else {
        return false;
    }
    *ret_rows = x->row_list + x->starts[r.from];
    *ret_count = r.from < r.to ? x->starts[r.to] - x->starts[r.from] : 0;
    return true;
}

bool field_match(const struct field_index *x, const struct pred *p, struct bits *sure, struct bits *maybe)
{
    switch (p->f->kind) {
    case KITH_COND_MATCH: return match_values(x, p->f, sure);
    case KITH_COND_EXCEPT: return match_except(x, p->f, sure);
    case KITH_COND_RANGE: return match_range(x, p->f, sure, maybe);
    case KITH_COND_DATETIME: return match_times(x, p->f, sure);
    case KITH_COND_PREFIX: return match_prefix(x, p->f, sure);
    case KITH_COND_IS_EMPTY: bits_or(sure, &x->empty); return true;
    case KITH_COND_IS_NULL: bits_or(sure, &x->null); return true;
    case KITH_COND_TEXT: case KITH_COND_TEXT_ANY: case KITH_COND_PHRASE: return field_match_words(x, p, sure, maybe);
    case KITH_COND_GEO_BOX: case KITH_COND_GEO_RADIUS: case KITH_COND_GEO_POLYGON:
        return match_geo(x, p->f, sure, maybe);
    case KITH_COND_ALL: case KITH_COND_ANY: case KITH_COND_NONE: case KITH_COND_AT_LEAST:
    case KITH_COND_SUBSTRING: case KITH_COND_VALUES_COUNT: case KITH_COND_FIELD_EMPTY:
    case KITH_COND_FIELD_NULL: case KITH_COND_HAS_ID: case KITH_COND_HAS_VECTOR: case KITH_COND_NESTED:
    case KITH_COND_SLICE:
        break;
    }
    return false;
}
