/* kith_help.c - the small helpers of the public interface: ids and documents as text. */
#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "doc/value.h"
#include "vec/element.h"

char *kith_doc_json(const kith_doc *doc, size_t *ret_size)
{
    struct buf out;

    buf_init(&out);
    if (doc->form == KITH_DOC_BINARY)
        val_to_json(val_of(doc->data, doc->size), &out);
    else if (doc->form == KITH_DOC_JSON)
        buf_put(&out, doc->data, doc->size);
    else
        buf_text(&out, "{}");
    buf_u8(&out, 0);
    if (out.failed) {
        buf_release(&out);
        return NULL;
    }
    if (ret_size)
        *ret_size = out.size - 1;
    return (char *)out.data;
}

const char *kith_metric_name(kith_metric metric)
{
    static const char *const names[] = {"unknown", "cosine", "dot", "euclid", "manhattan", "hamming", "jaccard"};

    return names[metric <= KITH_JACCARD ? (int)metric : 0];
}

const char *kith_element_name(kith_element element)
{
    return element_name(element);
}

size_t kith_vector_size(const kith_vector *v)
{
    return element_size(v->element, v->dim) * MAX(v->count, 1u);
}

void kith_vector_f32(const kith_vector *v, float *to)
{
    element_widen_many(v->element, v->data, to, v->dim, MAX(v->count, 1u));
}

void kith_free(void *p)
{
    mem_free(p);
}
