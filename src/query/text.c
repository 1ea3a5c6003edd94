/* text.c - the best by the words of a text: BM25 over a text index that is scored.
 *
 * How rare words are, and how long texts, is counted over all live points, so that what a point scores does not
 * depend on how segments lie. Sealed rows are found by the postings engine, with weights that are upper bounds
 * whatever the average length is today, and scored exactly; growing ones row by row; documents newer than their
 * index are read. */
#include "query/tree.h"

#include "base/ctx.h"
#include "base/topk.h"
#include "doc/text.h"
#include "field/keys.h"
#include "field/words.h"
#include "os/os.h"

#include <math.h>

enum { WORDS_MAX = 1024 };

struct texting {
    struct tree *t;
    const struct schema_field *f;
    struct bytes *words; /* of the query, each once */
    uint32_t count;
    uint64_t docs, total; /* points with a word; words of all of them */
    uint64_t *df;         /* points with each */
    double *idf;
    struct bm25 model;
    uint32_t *times;      /* of the row at hand */
    uint32_t **keys;      /* of each segment, once they were looked for: of the words there; UINT32_MAX: none */
};

/* ---- the query ---------------------------------------------------------------------------------------------- */

static bool is_known(const struct texting *x, struct bytes word)
{
    for (uint32_t i = 0; i < x->count; i++) {
        if (bytes_same(x->words[i], word))
            return true;
    }
    return false;
}

static int read_words(struct texting *x, const kith_query *q)
{
    struct arena *a = &x->t->c->arena;
    struct bytes word, text = {(const uint8_t *)q->text, q->text_size};
    struct words w;
    int rc = 0;

    x->words = arena_alloc(a, WORDS_MAX * sizeof *x->words);
    x->df = arena_zalloc(a, WORDS_MAX * sizeof *x->df);
    x->idf = arena_zalloc(a, WORDS_MAX * sizeof *x->idf);
    x->times = arena_zalloc(a, WORDS_MAX * sizeof *x->times);
    x->keys = arena_zalloc(a, MAX(x->t->r->snap->count, (size_t)1) * sizeof *x->keys);
    if (!x->words || !x->df || !x->idf || !x->times || !x->keys)
        return err_nomem(x->t->c);
    words_of(&w, text, &x->f->def.text, true);
    while (rc == 0 && words_next(&w, &word)) {
        if (is_known(x, word))
            continue;
        if (x->count == WORDS_MAX) {
            rc = err_set(x->t->c, KITH_INVALID, "text query: more than %d words", WORDS_MAX);
            break;
        }
        x->words[x->count].data = arena_copy(a, word.data, word.size);
        x->words[x->count].size = word.size;
        rc = x->words[x->count++].data ? 0 : err_nomem(x->t->c);
    }
    words_end(&w);
    return rc;
}

static int open_query(struct texting *x, const kith_query *q)
{
    const char *path = q->text_path ? q->text_path : "";

    x->f = schema_field(x->t->r->snap->schema, path);
    if (!x->f || x->f->def.index != KITH_INDEX_TEXT || !x->f->def.text.scored)
        return err_set(x->t->c, KITH_INVALID, "text query: \"%.100s\" has no text index with scoring", path);
    x->model = (struct bm25){BM25_K, BM25_B, 1};
    if (q->bm25.given) {
        x->model.k = q->bm25.k;
        x->model.b = q->bm25.b;
    }
    if (!(x->model.k >= 0 && isfinite(x->model.k) && x->model.b >= 0 && x->model.b <= 1))
        return err_set(x->t->c, KITH_INVALID, "text query: k %g, b %g: expected 0 or more, and 0 to 1",
                       (double)x->model.k, (double)x->model.b);
    return read_words(x, q);
}

/* ---- one row ------------------------------------------------------------------------------------------------ */

struct counting_words {
    struct texting *x;
    uint32_t length;
};

static void count_word(void *arg, const struct field_key *k)
{
    struct counting_words *w = arg;

    w->length++;
    for (uint32_t i = 0; i < w->x->count; i++)
        w->x->times[i] += bytes_same(w->x->words[i], k->text);
}

/* By the document itself, as it is at V: how many words it has, and x->times. */
static int read_row(struct texting *x, const struct segment *s, row_id row, struct doc_room *room, uint32_t *ret_length)
{
    struct counting_words w = {x, 0};
    struct bytes doc;
    lsn at;

    memset(x->times, 0, x->count * sizeof *x->times);
    TRY(s->ops->doc(x->t->c, s, row, x->t->r->snap->v, room, &doc, &at));
    (void)field_keys(x->f, val_of(doc.data, doc.size), count_word, &w);
    *ret_length = w.length;
    return 0;
}

/* 0: it has none of the words. */
static double score(const struct texting *x, uint32_t length)
{
    double sum = 0;

    for (uint32_t i = 0; i < x->count; i++) {
        if (x->times[i])
            sum += x->idf[i] *
                   (double)bm25_weight(&x->model, (float)MIN(x->times[i], (uint32_t)TIMES_MAX), (float)length);
    }
    return sum;
}

/* ---- one segment's rows, by what knows them ------------------------------------------------------------------- */

struct part_rows {
    struct texting *x;
    const struct segment *s;
    const struct field_index *index;
    const struct field_scores *scores; /* sealed; NULL: not by it */
    const struct column *column;       /* growing; NULL: not by it */
    const uint32_t *keys;              /* of the words there; UINT32_MAX: none */
    struct doc_room room;
    struct bits rows, late; /* what counts: by index, or by documents */
    bool all, any_late;     /* every row there is, by index; some by documents */
    const struct pred *condition; /* rows with these words, walked over instead of `rows`; NULL: those */
    struct words_walk *walk;
    uint32_t *of_condition;  /* which word of it each word is; UINT32_MAX: none */
    float *most;             /* that each adds to a score, by impact: per 255th */
    bool unproven;           /* documents must tell yet whether it holds */
};

static uint32_t word_of(const struct pred *p, struct bytes word)
{
    for (uint32_t i = 0; i < p->words_count; i++) {
        if (bytes_same(p->words[i], word))
            return i;
    }
    return UINT32_MAX;
}

/* All the words of a condition on this text alone. */
static const struct pred *as_words(const struct part_rows *part, const struct pred *p)
{
    while (p && p->f->kind == KITH_COND_ALL && p->f->subs_count == 1)
        p = &p->subs[0];
    if (!p || p->field != part->x->f || !p->as_indexed || !p->words_count || !part->scores ||
        atomic_load(&((struct segment *)(uintptr_t)part->s)->overlaid_count))
        return NULL;
    return p->f->kind == KITH_COND_PHRASE || (p->f->kind == KITH_COND_TEXT && part->index->single) ? p : NULL;
}

static int walk_words(struct part_rows *part, const struct pred *p)
{
    struct texting *x = part->x;
    struct arena *a = &x->t->c->arena;

    part->walk = arena_alloc(a, sizeof *part->walk);
    part->of_condition = arena_alloc(a, MAX(x->count, 1u) * sizeof *part->of_condition);
    part->most = arena_zalloc(a, MAX(x->count, 1u) * sizeof *part->most);
    if (!part->walk || !part->of_condition || !part->most)
        return err_nomem(x->t->c);
    words_walk_begin(part->walk, part->index, p);
    for (uint32_t i = 0; i < x->count; i++)
        part->of_condition[i] = word_of(p, x->words[i]);
    part->condition = p;
    part->unproven = p->f->kind == KITH_COND_PHRASE && p->words_count > 1 && !part->index->positions.width;
    return 0;
}

/* The keys of the words in a segment, by whatever knows them there. */
static int keys_of(struct texting *x, size_t segment, const struct field_index *index, const struct column *column,
                   const uint32_t **ret_keys)
{
    uint32_t *keys = x->keys[segment];

    if (!keys) {
        keys = arena_alloc(&x->t->c->arena, MAX(x->count, 1u) * sizeof *keys);
        if (!keys)
            return err_nomem(x->t->c);
        for (uint32_t i = 0; index && i < x->count; i++)
            keys[i] = field_word(index, x->words[i]);
        if (column)
            column_words(column, x->words, x->count, keys);
    }
    *ret_keys = x->keys[segment] = keys;
    return 0;
}

/* `lazy`: rows may be walked over, and be left unproven. */
static int open_part(struct texting *x, size_t segment, const struct pred *p, bool lazy, struct part_rows *to)
{
    struct ctx *c = x->t->c;
    const struct segment *s = x->t->r->snap->segments[segment];
    const struct pred *words;

    *to = (struct part_rows){.x = x, .s = s, .index = s->ops->field(s, x->f->id), .column = s->ops->column(s, x->f->id)};
    to->scores = to->index ? s->ops->scores(s, x->f->id) : NULL;
    TRY(keys_of(x, segment, to->scores ? to->index : NULL, to->column, &to->keys));
    words = lazy ? as_words(to, p) : NULL;
    if (words)
        return walk_words(to, words);
    TRY(query_mask(c, x->t->r->snap, segment, p, &to->rows, &to->all));
    if (!to->scores && !to->column) { /* its index is not made yet */
        to->late = to->rows;
        to->any_late = true;
        return bits_new(&c->arena, to->rows.size, &to->rows) < 0 ? err_nomem(c) : 0;
    }
    TRY(query_overlaid(c, s, x->t->r->snap->v, to->rows.size, &to->late, &to->any_late));
    if (to->any_late) {
        struct bits overlaid = to->late;
        bits_and(&to->late, &to->rows);
        bits_minus(&to->rows, &overlaid);
        to->all = false;
    }
    return 0;
}

/* Fills x->times for a row of `rows` (late: of `late`). */
static int look_up(struct part_rows *part, row_id row, bool late, uint32_t *ret_length)
{
    struct texting *x = part->x;

    if (late)
        return read_row(x, part->s, row, &part->room, ret_length);
    if (part->column) {
        *ret_length = column_times(part->column, row, part->keys, x->count, x->times);
        return 0;
    }
    for (uint32_t i = 0; i < x->count; i++)
        x->times[i] = part->keys[i] == UINT32_MAX ? 0 : field_times(part->index, part->scores, part->keys[i], row);
    *ret_length = part->scores->lengths[row];
    return 0;
}

/* The same of a row that the walk is at. */
static uint32_t look_up_walked(struct part_rows *part, row_id row)
{
    struct texting *x = part->x;

    for (uint32_t i = 0; i < x->count; i++) {
        if (part->of_condition[i] != UINT32_MAX)
            x->times[i] = part->scores->times[words_walk_entry(part->walk, part->of_condition[i], row)];
        else
            x->times[i] = part->keys[i] == UINT32_MAX ? 0 : field_times(part->index, part->scores, part->keys[i], row);
    }
    return part->scores->lengths[row];
}

/* ---- how rare words are ----------------------------------------------------------------------------------------- */

static void count_row(struct texting *x, uint32_t length)
{
    x->docs += length > 0;
    x->total += length;
    for (uint32_t i = 0; i < x->count; i++)
        x->df[i] += x->times[i] > 0;
}

static int count_each(struct part_rows *part, const struct bits *rows, bool late)
{
    uint32_t n = 0, length;

    for (row_id row = bits_next(rows, 0); row != ROW_NONE; row = bits_next(rows, row + 1)) {
        if (++n % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(part->x->t->c));
        TRY(look_up(part, row, late, &length));
        count_row(part->x, length);
    }
    return 0;
}

/* The rows of a sealed index that count: word by word; lengths by those that do not, if these are fewer. */
static void count_sealed(struct part_rows *part)
{
    const struct field_scores *s = part->scores;
    struct texting *x = part->x;
    uint64_t docs = 0, total = 0;
    uint32_t rows = bits_count(&part->rows);
    bool inside = rows < part->rows.size / 2;

    for (uint32_t i = 0; i < x->count; i++) {
        uint32_t key = part->keys[i], from = key == UINT32_MAX ? 0 : part->index->starts[key];
        uint32_t end = key == UINT32_MAX ? 0 : part->index->starts[key + 1];
        if (part->all) {
            x->df[i] += end - from;
            continue;
        }
        for (uint32_t at = from; at < end; at++)
            x->df[i] += bits_get(&part->rows, part->index->row_list[at]);
    }
    for (uint32_t word = 0; !part->all && word < bits_words(part->rows.size); word++) {
        uint64_t w = inside ? part->rows.words[word] : ~part->rows.words[word];
        for (; w; w &= w - 1) {
            row_id row = word * 64 + (uint32_t)__builtin_ctzll(w);
            if (row >= part->rows.size)
                break;
            docs += s->lengths[row] > 0;
            total += s->lengths[row];
        }
    }
    x->docs += inside && !part->all ? docs : s->head.docs - docs;
    x->total += inside && !part->all ? total : s->head.total - total;
}

/* Nothing of it is dead or changed: its index has the counts. 1, or 0: it has not. */
static int count_whole(struct texting *x, size_t segment)
{
    const struct segment *s = x->t->r->snap->segments[segment];
    const struct field_index *index = s->ops->field(s, x->f->id);
    const struct field_scores *scores = index ? s->ops->scores(s, x->f->id) : NULL;
    const uint32_t *keys;

    if (!scores || atomic_load(&((struct segment *)(uintptr_t)s)->dead_count) ||
        atomic_load(&((struct segment *)(uintptr_t)s)->overlaid_count))
        return 0;
    TRY(keys_of(x, segment, index, NULL, &keys));
    for (uint32_t i = 0; i < x->count; i++)
        x->df[i] += keys[i] == UINT32_MAX ? 0 : index->starts[keys[i] + 1] - index->starts[keys[i]];
    x->docs += scores->head.docs;
    x->total += scores->head.total;
    return 1;
}

static int count_part(struct texting *x, size_t segment, const struct pred *corpus)
{
    struct part_rows part;
    int rc = corpus ? 0 : count_whole(x, segment);

    if (rc)
        return MIN(rc, 0);
    rc = open_part(x, segment, corpus, false, &part);
    if (rc >= 0 && part.scores)
        count_sealed(&part);
    else if (rc >= 0 && part.column)
        rc = count_each(&part, &part.rows, false);
    if (rc >= 0 && part.any_late)
        rc = count_each(&part, &part.late, true);
    doc_room_release(&part.room);
    return rc;
}

static int count_all(struct texting *x)
{
    struct pred *corpus = NULL;

    if (x->t->corpus)
        TRY(pred_compile(x->t->c, x->t->r->snap->schema, x->t->corpus, &corpus));
    for (size_t i = 0; i < x->t->r->snap->count; i++)
        TRY(count_part(x, i, corpus));
    x->model.average = x->docs ? (float)((double)x->total / (double)x->docs) : 1;
    for (uint32_t i = 0; i < x->count; i++)
        x->idf[i] = (double)sparse_idf(MAX(x->docs, x->df[i]), x->df[i]);
    return 0;
}

/* ---- the best of one segment ------------------------------------------------------------------------------------ */

struct finding {
    struct part_rows *part;
    struct topk best;
    uint32_t looks;
};

/* The document says whether the phrase is there. */
static int prove(struct part_rows *part, row_id row, bool *ret_proven)
{
    struct texting *x = part->x;
    struct subject subject = {0};
    struct bytes doc;
    lsn at;

    TRY(part->s->ops->doc(x->t->c, part->s, row, x->t->r->snap->v, &part->room, &doc, &at));
    subject.doc = val_of(doc.data, doc.size);
    *ret_proven = pred_match(part->condition, &subject);
    return 0;
}

static int consider(struct finding *g, row_id row, bool late)
{
    bool proven = true;
    uint32_t length;
    double s;

    if (++g->looks % LOOK_AT_CLOCK == 0)
        TRY(os_in_time(g->part->x->t->c));
    TRY(look_up(g->part, row, late, &length));
    s = score(g->part->x, length);
    if (!(s > 0) || (float)-s > topk_worst(&g->best))
        return 0;
    if (g->part->unproven)
        TRY(prove(g->part, row, &proven)); /* few are good enough to be read */
    if (proven)
        topk_push(&g->best, (float)-s, row);
    return 0;
}

static int take(void *arg, uint32_t row, float *bar)
{
    struct finding *g = arg;

    TRY(consider(g, row, false));
    if (g->best.size == g->best.capacity)
        *bar = fmaxf(*bar, -topk_worst(&g->best));
    return 0;
}

static int find_each(struct finding *g, const struct bits *rows, bool late)
{
    for (row_id row = bits_next(rows, 0); row != ROW_NONE; row = bits_next(rows, row + 1))
        TRY(consider(g, row, late));
    return 0;
}

static int find_sealed(struct finding *g, struct plan_note *note)
{
    struct part_rows *part = g->part;
    struct texting *x = part->x;
    uint32_t *keys = arena_alloc(&x->t->c->arena, MAX(x->count, 1u) * sizeof *keys), n = 0;
    float *weights = arena_alloc(&x->t->c->arena, MAX(x->count, 1u) * sizeof *weights), most, least;
    struct sparse query;
    struct postings_search search = {.query = &query, .rows = part->rows.size, .k = g->best.capacity, .take = take,
                                     .arg = g, .allow = part->all ? NULL : &part->rows};

    if (!keys || !weights)
        return err_nomem(x->t->c);
    field_scores_bounds(part->scores, &x->model, &most, &least);
    for (uint32_t i = 0; i < x->count; i++) {
        if (part->keys[i] == UINT32_MAX)
            continue;
        keys[n] = part->keys[i];
        weights[n++] = (float)(x->idf[i] * (double)most * (1 + 1e-5));
    }
    query = (struct sparse){n, keys, weights};
    search.excess = most / least * (1 + 1e-4f);
    TRY(postings_search(x->t->c, &part->scores->postings, x->t->r->kernels, &search));
    note->entries = search.entries;
    note->distances = search.taken;
    return 0;
}

enum { LOOK_UP = 24 }; /* entries of postings that are passed while a row is looked up by itself */

static uint32_t rows_of_word(const struct part_rows *part, uint32_t word)
{
    uint32_t key = part->keys[word];

    return key == UINT32_MAX ? 0 : part->index->starts[key + 1] - part->index->starts[key];
}

/* Rows that are sooner scored one by one. `known`: words whose entries need no looking up. */
static bool are_few(const struct part_rows *part, uint32_t matches, uint32_t known)
{
    uint64_t entries = 0;

    for (uint32_t i = 0; i < part->x->count; i++)
        entries += rows_of_word(part, i);
    return (uint64_t)matches * (part->x->count - known) * LOOK_UP < entries;
}

/* Whether what the condition leaves is best scored while it is walked over. */
static bool is_walked(const struct part_rows *part)
{
    uint32_t known = 0;

    for (uint32_t i = 0; i < part->x->count; i++)
        known += part->of_condition[i] != UINT32_MAX;
    return known == part->x->count || are_few(part, words_walk_most(part->walk), known);
}

static bool is_live(const struct part_rows *part, row_id row)
{
    lsn dead = part->s->ops->dead(part->s, row);

    return !dead || dead > part->x->t->r->snap->v;
}

/* Words that the query has beside the condition's: postings find them, among these rows. */
static int walk_to_rows(struct part_rows *part, uint32_t rows)
{
    struct words_walk *w = part->walk;

    if (bits_new(&part->x->t->c->arena, rows, &part->rows) < 0)
        return err_nomem(part->x->t->c);
    for (row_id row = words_walk_next(w); row != ROW_NONE; row = words_walk_next(w)) {
        int verdict = part->condition->f->kind == KITH_COND_PHRASE ? words_walk_phrase(w, row) : 1;
        if (verdict && is_live(part, row))
            bits_set(&part->rows, row);
        part->unproven = part->unproven || verdict < 0;
    }
    return 0;
}

/* What has to be read yet, best first: until there are enough. */
static int find_proven(struct finding *g)
{
    struct part_rows *part = g->part;
    struct words_walk *w = part->walk;
    struct topk order;
    bool proven;

    if (topk_init(&order, &part->x->t->c->arena, MAX(words_walk_most(w), 1u)) < 0)
        return err_nomem(part->x->t->c);
    for (row_id row = words_walk_next(w); row != ROW_NONE; row = words_walk_next(w)) {
        if (is_live(part, row))
            topk_push(&order, (float)-score(part->x, look_up_walked(part, row)), row);
    }
    topk_sort(&order);
    for (uint32_t i = 0; i < order.size && g->best.size < g->best.capacity && order.heap[i].distance < 0; i++) {
        if (++g->looks % LOOK_AT_CLOCK == 0)
            TRY(os_in_time(part->x->t->c));
        TRY(prove(part, order.heap[i].row, &proven));
        if (proven)
            topk_push(&g->best, order.heap[i].distance, order.heap[i].row);
    }
    return 0;
}

/* What the words of the row at hand give at most, by impacts, which lie side by side; lengths do not. */
static float bound_of(const struct part_rows *part, row_id row)
{
    float sum = 0;

    for (uint32_t i = 0; i < part->x->count; i++) {
        uint32_t word = part->of_condition[i];
        sum += part->most[i] *
               (word == UINT32_MAX ? 255
                                   : part->scores->postings.impacts[words_walk_entry(part->walk, word, row)]);
    }
    return sum;
}

static int consider_walked(struct finding *g, row_id row)
{
    struct part_rows *part = g->part;
    int verdict = 1;
    bool proven = true;
    float s;

    if (++g->looks % LOOK_AT_CLOCK == 0)
        TRY(os_in_time(part->x->t->c));
    if (-bound_of(part, row) > topk_worst(&g->best) || !is_live(part, row))
        return 0;
    s = (float)score(part->x, look_up_walked(part, row));
    if (!(s > 0) || -s > topk_worst(&g->best))
        return 0;
    if (part->condition->f->kind == KITH_COND_PHRASE && part->condition->words_count > 1)
        verdict = words_walk_phrase(part->walk, row);
    if (verdict < 0)
        TRY(prove(part, row, &proven));
    if (verdict && proven)
        topk_push(&g->best, -s, row);
    return 0;
}

static int find_walked(struct finding *g)
{
    struct part_rows *part = g->part;
    struct texting *x = part->x;
    float most, least;

    if (part->unproven)
        return find_proven(g);
    field_scores_bounds(part->scores, &x->model, &most, &least);
    for (uint32_t i = 0; i < x->count; i++) { /* and a little more: sums of many are rounded */
        float max = part->keys[i] == UINT32_MAX ? 0 : part->scores->postings.terms[part->keys[i]].max;
        part->most[i] = (float)(x->idf[i] * (double)most * (double)max * (1 + 2e-4) / 255);
    }
    for (row_id row = words_walk_next(part->walk); row != ROW_NONE; row = words_walk_next(part->walk))
        TRY(consider_walked(g, row));
    return 0;
}

static int find_part(struct texting *x, size_t segment, const struct pred *p, uint32_t want, struct hit_list *hits)
{
    struct plan_note note = {.rows = x->t->r->snap->segments[segment]->ops->rows(x->t->r->snap->segments[segment])};
    struct part_rows part;
    struct finding g = {.part = &part};
    int rc;

    if (!note.rows)
        return 0;
    if (topk_init(&g.best, &x->t->c->arena, MIN(want, note.rows)) < 0)
        return err_nomem(x->t->c);
    rc = open_part(x, segment, p, true, &part);
    note.strategy = part.walk ? "words" : part.scores ? "postings" : part.column ? "growing words" : "documents";
    if (rc >= 0 && part.walk && !is_walked(&part)) {
        rc = walk_to_rows(&part, note.rows);
        part.walk = NULL;
    }
    note.matches = rc < 0 ? 0 : part.walk ? words_walk_most(part.walk) : bits_count(&part.rows);
    if (rc >= 0 && part.walk)
        rc = find_walked(&g);
    else if (rc >= 0 && part.scores && !are_few(&part, note.matches, 0))
        rc = find_sealed(&g, &note);
    else if (rc >= 0 && (part.scores || part.column))
        rc = find_each(&g, &part.rows, false);
    if (rc >= 0 && part.any_late)
        rc = find_each(&g, &part.late, true);
    doc_room_release(&part.room);
    for (uint32_t i = 0; rc >= 0 && i < g.best.size; i++) {
        struct hit_ref hit = {.distance = g.best.heap[i].distance, .segment = (uint32_t)segment,
                              .row = g.best.heap[i].row};
        rc = hits_push(x->t->c, hits, hit);
    }
    if (rc >= 0 && x->t->explain)
        tree_note(x->t->explain, part.s, &note);
    return rc;
}

/* Candidates of others: their documents. */
static int score_given(struct texting *x, const struct hit_list *given, struct hit_list *hits)
{
    struct doc_room room = {0};
    int rc = 0;

    for (size_t i = 0; i < given->count && rc >= 0; i++) {
        struct hit_ref hit = given->at[i];
        uint32_t length = 0;
        rc = i % LOOK_AT_CLOCK ? 0 : os_in_time(x->t->c);
        if (rc >= 0)
            rc = read_row(x, x->t->r->snap->segments[hit.segment], hit.row, &room, &length);
        hit.distance = (float)-score(x, length);
        if (rc >= 0 && hit.distance < 0)
            rc = hits_push(x->t->c, hits, hit);
    }
    doc_room_release(&room);
    return rc;
}

int text_run(struct tree *t, const kith_query *q, const struct pred *p, const struct hit_list *given, size_t want,
             struct hit_list *hits)
{
    struct texting x = {.t = t};
    size_t most = want + t->excluded_count;

    TRY(open_query(&x, q));
    if (!x.count)
        return 0;
    TRY(count_all(&x));
    if (given)
        TRY(score_given(&x, given, hits));
    for (size_t i = 0; !given && i < t->r->snap->count; i++)
        TRY(find_part(&x, i, p, (uint32_t)MIN(most, (size_t)UINT32_MAX), hits));
    return tree_settle(t, hits, want);
}
