// The official JavaScript client against the real server (KITH_REST_PORT): every method of its prototype has a test here or
// stands in exclusions.txt with its reason.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import {QdrantClient} from '@qdrant/js-client-rest';

const client = new QdrantClient({url: `http://127.0.0.1:${process.env.KITH_REST_PORT}`, checkCompatibility: false});
const name = 'js', wait = true;
const even = {must: [{key: 's', match: {value: 'a'}}]};
const ids = points => points.map(p => p.id);
const done = r => assert.equal(r.status, 'completed');
const total = async filter => (await client.count(name, {filter, exact: true})).count;
const payload = async id => (await client.retrieve(name, {ids: [id]}))[0].payload;
const nearest = x => ({query: [x, 0], using: 'v', limit: 3});
const refused = (promise, status, text) => assert.rejects(promise, e => e.status === status && JSON.stringify(e.data).includes(text));

async function fill() {
    if ((await client.collectionExists(name)).exists) await client.deleteCollection(name);
    await client.createCollection(name, {vectors: {v: {size: 2, distance: 'Dot'}}, sparse_vectors: {words: {}}});
    await client.upsert(name, {wait, points: Array.from({length: 10}, (_, i) => ({
        id: i, vector: {v: [i, 1], words: {indices: [i % 3], values: [1]}}, payload: {n: i, s: 'ab'[i % 2], deep: {x: 1.5}}}))});
    for (const [field_name, field_schema] of [['n', 'integer'], ['s', 'keyword']])
        await client.createPayloadIndex(name, {wait, field_name, field_schema});
}

const tests = {
    async api() { assert.equal(typeof client.api(), 'object'); },
    async versionInfo() { assert.match((await client.versionInfo()).title, /kith/); },
    async createCollection() { await refused(client.createCollection(name, {vectors: {size: 1, distance: 'Dot'}}), 409, 'already exists'); },
    async recreateCollection() { await client.recreateCollection(name, {vectors: {size: 3, distance: 'Dot'}}); assert.equal(await total(), 0); },
    async collectionExists() { assert.equal((await client.collectionExists(name)).exists, true); assert.equal((await client.collectionExists('nobody')).exists, false); },
    async getCollections() { assert.ok((await client.getCollections()).collections.some(c => c.name === name)); },
    async getCollection() {
        const r = await client.getCollection(name);
        assert.equal(r.points_count, 10);
        assert.deepEqual(r.config.params.vectors, {v: {size: 2, distance: 'Dot'}});
        assert.equal(r.payload_schema.n.points, 10);
        await refused(client.getCollection('nobody'), 404, 'nobody');
    },
    async updateCollection() {
        assert.equal(await client.updateCollection(name, {hnsw_config: {ef_construct: 200}}), true);
        assert.equal((await client.getCollection(name)).config.hnsw_config.ef_construct, 200);
    },
    async deleteCollection() { assert.equal(await client.deleteCollection(name), true); assert.equal((await client.collectionExists(name)).exists, false); },
    async collectionClusterInfo() { assert.equal((await client.collectionClusterInfo(name)).local_shards[0].points_count, 10); },
    async createShardKey() {
        await client.recreateCollection(name, {vectors: {v: {size: 2, distance: 'Dot'}}, sharding_method: 'custom'});
        assert.equal(await client.createShardKey(name, {shard_key: 'red'}), true);
        assert.equal(await client.createShardKey(name, {shard_key: 7}), true);
        done(await client.upsert(name, {wait, shard_key: 'red', points: [{id: 1, vector: {v: [1, 1]}}, {id: 2, vector: {v: [2, 1]}}]}));
        done(await client.upsert(name, {wait, shard_key: 7, points: [{id: 3, vector: {v: [3, 1]}}]}));
        assert.deepEqual((await client.query(name, nearest(1))).points.map(p => [p.id, p.shard_key]), [[3, 7], [2, 'red'], [1, 'red']]);
        assert.equal((await client.count(name, {shard_key: 'red'})).count, 2);
        await refused(client.upsert(name, {points: [{id: 1, vector: {v: [1, 1]}}]}), 400, 'Shard key is missing');
    },
    async listShardKeys() { await tests.createShardKey(); assert.deepEqual((await client.listShardKeys(name)).shard_keys, [{key: 'red'}, {key: 7}]); },
    async deleteShardKey() { await tests.createShardKey(); assert.equal(await client.deleteShardKey(name, {shard_key: 'red'}), true); assert.equal(await total(), 1); },
    async updateCollectionCluster() { await refused(client.updateCollectionCluster(name, {drop_replica: {shard_id: 0, peer_id: 1}}), 405, 'Distributed mode is disabled'); },
    async clusterTelemetry() { await refused(client.clusterTelemetry(), 405, 'Distributed mode is disabled'); },
    async getOptimizations() {
        const r = await client.getOptimizations(name);
        assert.deepEqual(r.running, []);
        assert.equal(typeof r.summary.queued_optimizations, 'number');
        await refused(client.getOptimizations('nobody'), 404, 'nobody');
    },
    async getQuotas() { assert.equal(typeof (await client.getQuotas()).config.enabled, 'boolean'); },
    async updateQuotas() {
        assert.equal(await client.updateQuotas({enabled: true, max_disk_usage_percent: 99}), true);
        assert.equal((await client.getQuotas()).config.max_disk_usage_percent, 99);
        assert.equal(await client.updateQuotas({enabled: false}), true);
    },
    async updateCollectionAliases() {
        await client.updateCollectionAliases({actions: [{create_alias: {collection_name: name, alias_name: 'other'}}]});
        assert.equal((await client.count('other')).count, 10);
    },
    async getCollectionAliases() {
        await tests.updateCollectionAliases();
        assert.deepEqual((await client.getCollectionAliases(name)).aliases, [{alias_name: 'other', collection_name: name}]);
    },
    async getAliases() { await tests.updateCollectionAliases(); assert.equal((await client.getAliases()).aliases[0].alias_name, 'other'); },
    async upsert() {
        done(await client.upsert(name, {wait, points: [{id: '936DA01F9ABD4d9d80C702AF85C822A8', vector: {v: [50, 0]}}]}));
        assert.equal((await client.query(name, nearest(1))).points[0].id, '936da01f-9abd-4d9d-80c7-02af85c822a8');
        await refused(client.upsert(name, {points: [{id: 1, vector: {v: [1, 2, 3]}}]}), 400, 'dim');
    },
    async retrieve() {
        const r = await client.retrieve(name, {ids: [7, 99, 3], with_payload: ['n'], with_vector: ['v']});
        assert.deepEqual(r, [{id: 7, payload: {n: 7}, vector: {v: [7, 1]}}, {id: 3, payload: {n: 3}, vector: {v: [3, 1]}}]);
    },
    async delete() {
        done(await client.delete(name, {wait, points: [1, 2]}));
        done(await client.delete(name, {wait, filter: even}));
        assert.equal(await total(), 4);
    },
    async count() { assert.equal(await total(), 10); assert.equal(await total(even), 5); },
    async setPayload() { done(await client.setPayload(name, {wait, payload: {x: 2.5}, points: [3], key: 'deep'})); assert.deepEqual((await payload(3)).deep, {x: 2.5}); },
    async overwritePayload() { done(await client.overwritePayload(name, {wait, payload: {k: true}, filter: even})); assert.deepEqual(await payload(4), {k: true}); },
    async deletePayload() { done(await client.deletePayload(name, {wait, keys: ['deep.x', 's'], points: [3]})); assert.deepEqual(await payload(3), {n: 3, deep: {}}); },
    async clearPayload() { done(await client.clearPayload(name, {wait, points: [3]})); assert.deepEqual(await payload(3), {}); },
    async updateVectors() {
        done(await client.updateVectors(name, {wait, points: [{id: 3, vector: {v: [70, 0]}}]}));
        assert.equal((await client.query(name, nearest(1))).points[0].id, 3);
        await refused(client.updateVectors(name, {wait, points: [{id: 77, vector: {v: [70, 0]}}]}), 404, '77');
    },
    async deleteVectors() { done(await client.deleteVectors(name, {wait, vector: ['v'], points: [9]})); assert.equal((await client.query(name, nearest(1))).points[0].id, 8); },
    async createVectorName() {
        done(await client.createVectorName(name, 'more', {dense: {size: 3, distance: 'Cosine'}}));
        assert.equal((await client.getCollection(name)).config.params.vectors.more.size, 3);
    },
    async deleteVectorName() { done(await client.deleteVectorName(name, 'words')); assert.equal((await client.getCollection(name)).config.params.sparse_vectors, undefined); },
    async batchUpdate() {
        const r = await client.batchUpdate(name, {wait, operations: [{delete: {points: [1]}}, {set_payload: {payload: {k: 'v'}, points: [2]}}, {clear_payload: {points: [3]}}]});
        assert.equal(r.length, 3);
        assert.equal(await total(), 9);
        assert.equal((await payload(2)).k, 'v');
    },
    async createPayloadIndex() {
        done(await client.createPayloadIndex(name, {wait, field_name: 'deep.x', field_schema: {type: 'float', is_principal: true}}));
        assert.equal((await client.getCollection(name)).payload_schema['deep.x'].params.is_principal, true);
    },
    async deletePayloadIndex() { done(await client.deletePayloadIndex(name, 'n', {wait})); assert.equal((await client.getCollection(name)).payload_schema.n, undefined); },
    async query() {
        const q = async args => ids((await client.query(name, args)).points);
        assert.deepEqual(await q(nearest(1)), [9, 8, 7]);
        assert.deepEqual(await q({...nearest(1), filter: {must: [{key: 'n', range: {lt: 6}}, {key: 'n', match: {any: [1, 3, 8]}}]}}), [3, 1]);
        assert.deepEqual(await q({query: {indices: [2], values: [1]}, using: 'words'}), [2, 5, 8]);
        assert.deepEqual(await q({query: {fusion: 'rrf'}, limit: 1, prefetch: [{query: [1, 0], using: 'v'}, {query: {indices: [2], values: [1]}, using: 'words'}]}), [2]);
        assert.deepEqual(await q({query: {order_by: {key: 'n', direction: 'desc'}}, limit: 2}), [9, 8]);
        assert.deepEqual((await q({query: {formula: {mult: ['$score', -1]}}, prefetch: {query: [1, 0], using: 'v'}}))[0], 0);
        assert.deepEqual((await q({query: {recommend: {positive: [9]}}, using: 'v'}))[0], 8);
    },
    async queryBatch() { assert.deepEqual((await client.queryBatch(name, {searches: [nearest(1), nearest(-1)]})).map(r => r.points[0].id), [9, 0]); },
    async queryGroups() {
        const r = await client.queryGroups(name, {...nearest(1), group_by: 's', group_size: 2});
        assert.deepEqual(r.groups.map(g => [g.id, ids(g.hits)]), [['b', [9, 7]], ['a', [8, 6]]]);
    },
    async scroll() {
        let seen = 0, offset;
        do {
            const r = await client.scroll(name, {limit: 4, offset});
            seen += r.points.length;
            offset = r.next_page_offset;
        } while (offset != null);
        assert.equal(seen, 10);
    },
    async facet() { assert.deepEqual((await client.facet(name, {key: 's'})).hits, [{value: 'a', count: 5}, {value: 'b', count: 5}]); },
    async searchMatrixPairs() { assert.equal((await client.searchMatrixPairs(name, {using: 'v', sample: 10, limit: 2})).pairs.length, 20); },
    async searchMatrixOffsets() { assert.equal((await client.searchMatrixOffsets(name, {using: 'v', sample: 10, limit: 2})).ids.length, 10); },
    async createSnapshot() { const r = await client.createSnapshot(name); assert.ok(r.size > 0); await client.deleteSnapshot(name, r.name); },
    async listSnapshots() { const r = await client.createSnapshot(name); assert.deepEqual(await client.listSnapshots(name), [r]); await client.deleteSnapshot(name, r.name); },
    async deleteSnapshot() { const r = await client.createSnapshot(name); assert.equal(await client.deleteSnapshot(name, r.name), true); await refused(client.deleteSnapshot(name, r.name), 404, r.name); },
    async recoverSnapshot() {
        const r = await client.createSnapshot(name);
        await client.delete(name, {wait, filter: even});
        assert.equal(await client.recoverSnapshot(name, {location: `file:///${name}/${r.name}`}), true);
        assert.equal(await total(), 10);
        await client.deleteSnapshot(name, r.name);
    },
    async createFullSnapshot() { const r = await client.createFullSnapshot(); assert.match(r.name, /^full-snapshot-/); await client.deleteFullSnapshot(r.name); },
    async listFullSnapshots() { const r = await client.createFullSnapshot(); assert.deepEqual(await client.listFullSnapshots(), [r]); await client.deleteFullSnapshot(r.name); },
    async deleteFullSnapshot() { const r = await client.createFullSnapshot(); assert.equal(await client.deleteFullSnapshot(r.name), true); assert.deepEqual(await client.listFullSnapshots(), []); },
    async createShardSnapshot() { const r = await client.createShardSnapshot(name, 0, {wait}); assert.ok(r.size > 0); await client.deleteShardSnapshot(name, 0, r.name, {wait}); },
    async listShardSnapshots() { const r = await client.createShardSnapshot(name, 0, {wait}); assert.deepEqual(await client.listShardSnapshots(name, 0), [r]); await client.deleteShardSnapshot(name, 0, r.name, {wait}); },
    async deleteShardSnapshot() { const r = await client.createShardSnapshot(name, 0, {wait}); assert.equal(await client.deleteShardSnapshot(name, 0, r.name, {wait}), true); },
    async recoverShardFromSnapshot() {
        const r = await client.createShardSnapshot(name, 0, {wait});
        await client.delete(name, {wait, filter: even});
        assert.equal(await client.recoverShardFromSnapshot(name, 0, {location: r.name}), true);
        assert.equal(await total(), 10);
        await client.deleteShardSnapshot(name, 0, r.name, {wait});
    },
};

const excluded = new Map(readFileSync(new URL('exclusions.txt', import.meta.url), 'utf8').split('\n').filter(l => l).map(l => l.split(': ')));

for (const method of Object.getOwnPropertyNames(QdrantClient.prototype).filter(m => m !== 'constructor')) {
    test(method, async () => {
        assert.ok(method in tests !== excluded.has(method), `${method}: a test, or a line in exclusions.txt, and not both`);
        if (excluded.has(method)) return assert.ok(excluded.get(method), 'a reason');
        await fill();
        await tests[method]();
    });
}
