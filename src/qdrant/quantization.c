/* quantization.c - quantization_config: checked, kept as it came, and what of it the engine is told (README.md). */
#include "qdrant/dialect.h"

/* Keys of each kind; `choices` are separated by |. */
struct key {
    const char *kind, *name, *choices; /* NULL: a boolean; "": a share from 0.5; "*": as it comes */
    bool needed;
};
static const struct key keys[] = {
    {"scalar", "type", "int8", true},
    {"scalar", "quantile", "", false},
    {"product", "compression", "x4|x8|x16|x32|x64", true},
    {"binary", "encoding", "one_bit|two_bits|one_and_half_bits", false},
    {"binary", "query_encoding", "default|binary|scalar4bits|scalar8bits", false},
    {"turbo", "bits", "bits1|bits1_5|bits2|bits4|bits8", false},
    {NULL, "always_ram", NULL, false},
    {NULL, "memory", "*", false},
};
static const char *const kinds[] = {"scalar", "product", "binary", "turbo"};

static bool is_choice(const char *choices, yyjson_val *v)
{
    const char *word = yyjson_get_str(v);
    size_t size = yyjson_get_len(v);

    for (const char *at = choices; word && at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, word, size) == 0)
            return true;
    }
    return false;
}

static bool check_key(struct call *call, const char *kind, const struct key *k, yyjson_val *v)
{
    if (!k->choices)
        return yyjson_is_bool(v) || read_fail(call, "quantization_config.%s.%s: expected a boolean", kind, k->name);
    if (!*k->choices) {
        if (!yyjson_is_num(v))
            return read_fail(call, "quantization_config.%s.%s: expected a number", kind, k->name);
        return (yyjson_get_num(v) >= 0.5 && yyjson_get_num(v) <= 1) ||
               read_invalid(call, "quantization_config.%s.%s: value %g invalid, must be from 0.5 to 1.0", kind, k->name,
                            yyjson_get_num(v));
    }
    if (*k->choices == '*' || is_choice(k->choices, v))
        return true;
    return read_fail(call, "quantization_config.%s.%s: expected one of %s", kind, k->name, k->choices);
}

static bool take_kind(struct kept_config *k, const char *kind, yyjson_val *given, yyjson_mut_val *to)
{
    if (!yyjson_is_obj(given))
        return read_fail(k->call, "quantization_config.%s: expected an object", kind);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        yyjson_val *v;
        if (keys[i].kind && strcmp(keys[i].kind, kind) != 0)
            continue;
        v = field_of(given, keys[i].name, NULL);
        if (!v && keys[i].needed)
            return read_fail(k->call, "quantization_config.%s.%s: missing field", kind, keys[i].name);
        if (!v)
            continue;
        if (!check_key(k->call, kind, &keys[i], v))
            return false;
        yyjson_mut_obj_add_val(k->doc, to, keys[i].name, yyjson_val_mut_copy(k->doc, v));
    }
    return true;
}

bool quantization_take(struct kept_config *k, yyjson_val *body)
{
    yyjson_val *given = field_of(body, "quantization_config", NULL);
    yyjson_mut_val *stored;

    if (!given)
        return true;
    if (yyjson_equals_str(given, "Disabled")) {
        yyjson_mut_obj_put(k->root, yyjson_mut_str(k->doc, "quantization_config"), yyjson_mut_null(k->doc));
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        yyjson_val *of_kind = yyjson_obj_get(given, kinds[i]);
        if (!of_kind)
            continue;
        stored = yyjson_mut_obj(k->doc);
        yyjson_mut_obj_put(k->root, yyjson_mut_str(k->doc, "quantization_config"), stored);
        return take_kind(k, kinds[i], of_kind, yyjson_mut_obj_add_obj(k->doc, stored, kinds[i]));
    }
    return read_fail(k->call, "quantization_config: expected an object with one of scalar, product, binary, turbo");
}

/* ---- what the engine is told ---------------------------------------------------------------------------------- */

static yyjson_mut_val *kind_of(yyjson_mut_val *config, const char *kind)
{
    return yyjson_mut_obj_get(config, kind);
}

static void tune(yyjson_mut_val *config, kith_vector_params *v)
{
    yyjson_mut_val *binary = kind_of(config, "binary"), *turbo = kind_of(config, "turbo");
    yyjson_mut_val *product = kind_of(config, "product"), *encoding = yyjson_mut_obj_get(binary, "encoding");
    yyjson_mut_val *bits = yyjson_mut_obj_get(turbo, "bits");
    const char *ratio = yyjson_mut_get_str(yyjson_mut_obj_get(product, "compression"));
    bool one = encoding ? yyjson_mut_equals_str(encoding, "one_bit") : yyjson_mut_equals_str(bits, "bits1");
    bool few = yyjson_mut_equals_str(bits, "bits1_5") || yyjson_mut_equals_str(bits, "bits2");

    if (ratio && strcmp(ratio, "x4") != 0) { /* a byte an element is what there is anyway */
        uint32_t times = (uint32_t)strtoul(ratio + 1, NULL, 10);
        v->index.codes = KITH_CODES_PRODUCT;
        v->index.code_bytes = MAX(v->dim * 4 / times, 1u);
    } else if (v->metric != KITH_MANHATTAN && (binary || one || few)) {
        v->index.codes = one || (binary && !encoding) ? KITH_CODES_BIT : KITH_CODES_TWO_BITS;
    }
}

void quantization_tune(const struct kept_config *k, yyjson_val *of_vector, kith_vector_params *v)
{
    yyjson_val *own = yyjson_obj_get(of_vector, "quantization_config");
    yyjson_mut_doc *doc = yyjson_is_obj(own) ? yyjson_mut_doc_new(NULL) : NULL;

    v->index.codes = KITH_CODES_AUTO;
    v->index.code_bytes = 0;
    if (v->element == KITH_BIT || v->element == KITH_SPARSE)
        return;
    tune(doc ? yyjson_val_mut_copy(doc, own) : yyjson_mut_obj_get(k->root, "quantization_config"), v);
    yyjson_mut_doc_free(doc);
}
