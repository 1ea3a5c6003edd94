// The official JavaScript client over gRPC against the real server (KITH_GRPC_PORT): every rpc of its clients, and every
// function it exports, has a test here or stands in exclusions.txt with its reason.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import test from 'node:test';
import * as q from '@qdrant/js-client-grpc';

const host = '127.0.0.1', port = Number(process.env.KITH_GRPC_PORT);
const client = new q.QdrantClient({host, port, checkCompatibility: false});
const [service, snapshots, points, collections] = ['service', 'snapshots', 'points', 'collections'].map(n => client.api(n));
const name = 'js-grpc', collectionName = name, wait = true;

const num = n => ({pointIdOptions: {case: 'num', value: BigInt(n)}});
const of = p => p.id.pointIdOptions.value;
const ids = list => list.map(p => Number(of(p)));
const value = x => ({kind: typeof x === 'string' ? {case: 'stringValue', value: x} : {case: 'integerValue', value: BigInt(x)}});
const dense = data => ({vector: {case: 'dense', value: {data}}});
const sparse = (indices, values) => ({vector: {case: 'sparse', value: {indices, values}}});
const input = data => ({variant: {case: 'dense', value: {data}}});
const nearest = x => ({variant: {case: 'nearest', value: input([x, 0])}});
const match = (key, keyword) => ({conditionOneOf: {case: 'field', value: {key, match: {matchValue: {case: 'keyword', value: keyword}}}}});
const even = {must: [match('s', 'a')]};
const chosen = list => ({pointsSelectorOneOf: {case: 'points', value: {ids: list.map(num)}}});
const matching = filter => ({pointsSelectorOneOf: {case: 'filter', value: filter}});
const whole = {selectorOptions: {case: 'enable', value: true}};
const named = (names, as = 'include') => ({selectorOptions: {case: as, value: {names}}});
const done = r => assert.equal(r.result.status, q.UpdateStatus.Completed);
const total = async filter => Number((await points.count({collectionName, filter, exact: true})).result.count);
const payload = async id => (await points.get({collectionName, ids: [num(id)], withPayload: whole})).result[0].payload;
const search = {collectionName, vector: [1, 0], vectorName: 'v', limit: 3n};
const ask = {collectionName, query: nearest(1), using: 'v', limit: 3n};
const refused = (promise, code, text) => assert.rejects(promise, e => e instanceof q.ConnectError && e.code === code && e.message.includes(text));
const Code = q.ConnectErrorCode;
const vectorsConfig = {config: {case: 'paramsMap', value: {map: {v: {size: 2n, distance: q.Distance.Dot}}}}};
const point = (id, x, s) => ({id: num(id), payload: {n: value(id), s: value(s)},
    vectors: {vectorsOptions: {case: 'vectors', value: {vectors: {v: dense([x, 1]), words: sparse([id % 3], [1])}}}}});

async function fill() {
    await collections.delete({collectionName});
    await collections.create({collectionName, vectorsConfig, sparseVectorsConfig: {map: {words: {}}}});
    await points.upsert({collectionName, wait, points: Array.from({length: 10}, (_, i) => point(i, i, 'ab'[i % 2]))});
    await points.createFieldIndex({collectionName, wait, fieldName: 'n', fieldType: q.FieldType.FieldTypeInteger});
    await points.createFieldIndex({collectionName, wait, fieldName: 's', fieldType: q.FieldType.FieldTypeKeyword});
}

const alias = (aliasName, c = name) => collections.updateAliases({actions: [{action: {case: 'createAlias', value: {collectionName: c, aliasName}}}]});
const kept = async (how, list, drop) => {
    const made = (await how()).snapshotDescription;
    assert.ok(made.size > 0n && made.name.endsWith('.snapshot'));
    assert.deepEqual((await list()).snapshotDescriptions.map(s => s.name), [made.name]);
    await drop(made.name);
    assert.deepEqual((await list()).snapshotDescriptions, []);
    await refused(drop(made.name), Code.NotFound, made.name);
};
const ofOne = () => kept(() => snapshots.create({collectionName}), () => snapshots.list({collectionName}), snapshotName => snapshots.delete({collectionName, snapshotName}));
const ofAll = () => kept(() => snapshots.createFull({}), () => snapshots.listFull({}), snapshotName => snapshots.deleteFull({snapshotName}));
const vectors = async () => (await points.get({collectionName, ids: [num(3)], withVectors: whole})).result[0].vectors.vectorsOptions.value.vectors;
const example = {collectionName, positive: [num(9)], limit: 2n, using: 'v'};

const tests = {
    service: {
        async healthCheck() { assert.match((await service.healthCheck({})).title, /kith/); },
    },
    snapshots: {create: ofOne, list: ofOne, delete: ofOne, createFull: ofAll, listFull: ofAll, deleteFull: ofAll},
    collections: {
        async get() {
            const r = (await collections.get({collectionName})).result;
            assert.equal(r.pointsCount, 10n);
            assert.equal(r.config.params.vectorsConfig.config.value.map.v.size, 2n);
            assert.equal(r.payloadSchema.n.points, 10n);
            await refused(collections.get({collectionName: 'nobody'}), Code.NotFound, 'nobody');
        },
        async list() { assert.ok((await collections.list({})).collections.some(c => c.name === name)); },
        async create() { await refused(collections.create({collectionName, vectorsConfig}), Code.AlreadyExists, 'already exists'); },
        async update() {
            assert.equal((await collections.update({collectionName, hnswConfig: {efConstruct: 200n}})).result, true);
            assert.equal((await collections.get({collectionName})).result.config.hnswConfig.efConstruct, 200n);
        },
        async delete() {
            assert.equal((await collections.delete({collectionName})).result, true);
            assert.equal((await collections.collectionExists({collectionName})).result.exists, false);
        },
        async updateAliases() { assert.equal((await alias('g')).result, true); assert.equal(Number((await points.count({collectionName: 'g'})).result.count), 10); },
        async listCollectionAliases() { await alias('g'); assert.deepEqual((await collections.listCollectionAliases({collectionName})).aliases.map(a => a.aliasName), ['g']); },
        async listAliases() { await alias('g'); assert.ok((await collections.listAliases({})).aliases.some(a => a.aliasName === 'g' && a.collectionName === name)); },
        async collectionClusterInfo() { assert.equal((await collections.collectionClusterInfo({collectionName})).localShards[0].pointsCount, 10n); },
        async createShardKey() {
            const key = value => ({key: {case: typeof value === 'string' ? 'keyword' : 'number', value: typeof value === 'string' ? value : BigInt(value)}});
            await collections.delete({collectionName});
            await collections.create({collectionName, vectorsConfig, sparseVectorsConfig: {map: {words: {}}}, shardingMethod: q.ShardingMethod.Custom});
            for (const k of ['red', 7]) assert.equal((await collections.createShardKey({collectionName, request: {shardKey: key(k)}})).result, true);
            done(await points.upsert({collectionName, wait, points: [point(1, 1, 'a'), point(2, 2, 'b')], shardKeySelector: {shardKeys: [key('red')]}}));
            done(await points.upsert({collectionName, wait, points: [point(3, 3, 'a')], shardKeySelector: {shardKeys: [key('blue')], fallback: key(7)}}));
            const found = (await points.query({...ask, withPayload: whole})).result;
            assert.deepEqual(found.map(p => [Number(of(p)), p.shardKey.key.value]), [[3, 7n], [2, 'red'], [1, 'red']]);
            assert.deepEqual(Object.keys(found[0].payload).sort(), ['n', 's']);
            assert.equal((await points.count({collectionName, shardKeySelector: {shardKeys: [key('red')]}})).result.count, 2n);
            return key;
        },
        async listShardKeys() { await tests.collections.createShardKey(); assert.deepEqual((await collections.listShardKeys({collectionName})).shardKeys.map(k => k.key.key.value), ['red', 7n]); },
        async deleteShardKey() {
            const key = await tests.collections.createShardKey();
            assert.equal((await collections.deleteShardKey({collectionName, request: {shardKey: key('red')}})).result, true);
            assert.equal(await total(), 1);
        },
        async updateCollectionClusterSetup() {
            await refused(collections.updateCollectionClusterSetup({collectionName, operation: {case: 'dropReplica', value: {shardId: 0, peerId: 1n}}}), Code.InvalidArgument, 'Distributed mode is disabled');
        },
        async collectionExists() { assert.equal((await collections.collectionExists({collectionName})).result.exists, true); },
    },
    points: {
        async upsert() {
            done(await points.upsert({collectionName, wait, points: [{...point(7, 50, 'a'), id: {pointIdOptions: {case: 'uuid', value: '936DA01F9ABD4d9d80C702AF85C822A8'}}}]}));
            assert.equal(of((await points.query(ask)).result[0]), '936da01f-9abd-4d9d-80c7-02af85c822a8');
            await refused(points.upsert({collectionName, points: [{id: num(1), vectors: {vectorsOptions: {case: 'vectors', value: {vectors: {v: dense([1])}}}}}]}),
                Code.InvalidArgument, 'dim');
        },
        async delete() {
            done(await points.delete({collectionName, wait, points: chosen([1, 2])}));
            done(await points.delete({collectionName, wait, points: matching(even)}));
            assert.equal(await total(), 4);
        },
        async get() {
            const r = (await points.get({collectionName, ids: [num(7), num(99), num(3)], withPayload: {selectorOptions: {case: 'include', value: {fields: ['n']}}}, withVectors: named(['v'])})).result;
            assert.deepEqual(ids(r), [7, 3]);
            assert.deepEqual(Object.keys(r[0].payload), ['n']);
            assert.deepEqual([...q.toDenseVector(r[1].vectors.vectorsOptions.value.vectors.v).data], [3, 1]);
        },
        async updateVectors() {
            done(await points.updateVectors({collectionName, wait, points: [{id: num(3), vectors: {vectorsOptions: {case: 'vectors', value: {vectors: {v: dense([70, 0])}}}}}]}));
            assert.deepEqual(ids((await points.query(ask)).result), [3, 9, 8]);
        },
        async deleteVectors() {
            done(await points.deleteVectors({collectionName, wait, pointsSelector: chosen([9]), vectors: {names: ['v']}}));
            assert.deepEqual(ids((await points.query(ask)).result), [8, 7, 6]);
        },
        async setPayload() {
            done(await points.setPayload({collectionName, wait, payload: {k: value('x')}, pointsSelector: chosen([3])}));
            assert.deepEqual(Object.keys(await payload(3)).sort(), ['k', 'n', 's']);
        },
        async overwritePayload() {
            done(await points.overwritePayload({collectionName, wait, payload: {k: value('x')}, pointsSelector: matching(even)}));
            assert.equal((await payload(4)).k.kind.value, 'x');
            assert.equal((await payload(4)).n, undefined);
        },
        async deletePayload() { done(await points.deletePayload({collectionName, wait, keys: ['s'], pointsSelector: chosen([3])})); assert.deepEqual(Object.keys(await payload(3)), ['n']); },
        async clearPayload() { done(await points.clearPayload({collectionName, wait, points: chosen([3])})); assert.deepEqual(await payload(3), {}); },
        async createFieldIndex() {
            done(await points.createFieldIndex({collectionName, wait, fieldName: 't', fieldType: q.FieldType.FieldTypeText,
                fieldIndexParams: {indexParams: {case: 'textIndexParams', value: {tokenizer: q.TokenizerType.Word, lowercase: true}}}}));
            assert.equal((await collections.get({collectionName})).result.payloadSchema.t.params.indexParams.value.lowercase, true);
        },
        async deleteFieldIndex() { done(await points.deleteFieldIndex({collectionName, wait, fieldName: 'n'})); assert.equal((await collections.get({collectionName})).result.payloadSchema.n, undefined); },
        async createVectorName() {
            done(await points.createVectorName({collectionName, vectorName: 'more', wait,
                vectorConfig: {case: 'denseConfig', value: {size: 3n, distance: q.Distance.Cosine}}}));
            assert.equal((await collections.get({collectionName})).result.config.params.vectorsConfig.config.value.map.more.size, 3n);
        },
        async deleteVectorName() { done(await points.deleteVectorName({collectionName, vectorName: 'words', wait})); assert.equal((await collections.get({collectionName})).result.config.params.sparseVectorsConfig, undefined); },
        async search() {
            const r = (await points.search({...search, withPayload: whole, filter: even, params: {exact: true}})).result;
            assert.deepEqual(ids(r), [8, 6, 4]);
            assert.equal(r[0].score, 8);
            assert.equal(r[0].payload.n.kind.value, 8n);
        },
        async searchBatch() { assert.deepEqual((await points.searchBatch({collectionName, searchPoints: [search, {...search, vector: [-1, 0]}]})).result.map(r => ids(r.result)[0]), [9, 0]); },
        async searchGroups() {
            const {limit: _, ...rest} = search;
            const r = (await points.searchGroups({...rest, limit: 2, groupBy: 's', groupSize: 2})).result.groups;
            assert.deepEqual(r.map(g => [g.id.kind.value, ids(g.hits)]), [['b', [9, 7]], ['a', [8, 6]]]);
        },
        async scroll() {
            let seen = 0, offset;
            do {
                const r = await points.scroll({collectionName, limit: 4, offset});
                seen += r.result.length;
                offset = r.nextPageOffset;
            } while (offset);
            assert.equal(seen, 10);
            const r = await points.scroll({collectionName, limit: 2, orderBy: {key: 'n', direction: q.Direction.Desc}});
            assert.deepEqual(ids(r.result), [9, 8]);
            assert.equal(r.result[0].orderValue.variant.value, 9n);
        },
        async recommend() { assert.deepEqual(ids((await points.recommend(example)).result), [8, 7]); },
        async recommendBatch() { assert.deepEqual((await points.recommendBatch({collectionName, recommendPoints: [example, {...example, positive: [num(8)]}]})).result.map(r => ids(r.result)[0]), [8, 9]); },
        async recommendGroups() { const {limit: _, ...rest} = example; assert.deepEqual((await points.recommendGroups({...rest, limit: 2, groupBy: 's', groupSize: 1})).result.groups.map(g => ids(g.hits)), [[8], [7]]); },
        async discover() {
            const pair = {positive: {example: {case: 'id', value: num(8)}}, negative: {example: {case: 'id', value: num(1)}}};
            const args = {collectionName, target: {target: {case: 'single', value: {example: {case: 'id', value: num(9)}}}}, context: [pair], limit: 1n, using: 'v'};
            assert.deepEqual(ids((await points.discover(args)).result), [7]);
            assert.deepEqual((await points.discoverBatch({collectionName, discoverPoints: [args, args]})).result.map(r => ids(r.result)), [[7], [7]]);
        },
        async discoverBatch() { await tests.points.discover(); },
        async count() { assert.equal(await total(), 10); assert.equal(await total(even), 5); },
        async updateBatch() {
            const r = await points.updateBatch({collectionName, wait, operations: [
                {operation: {case: 'deletePoints', value: {points: chosen([1])}}},
                {operation: {case: 'setPayload', value: {payload: {k: value('v')}, pointsSelector: chosen([2])}}},
                {operation: {case: 'clearPayload', value: {points: chosen([3])}}}]});
            assert.equal(r.result.length, 3);
            assert.equal(await total(), 9);
            assert.equal((await payload(2)).k.kind.value, 'v');
        },
        async query() {
            const found = async args => ids((await points.query({...ask, ...args})).result);
            assert.deepEqual(await found({}), [9, 8, 7]);
            assert.deepEqual(await found({filter: even}), [8, 6, 4]);
            assert.deepEqual(await found({using: 'words', query: {variant: {case: 'nearest', value: {variant: {case: 'sparse', value: {indices: [2], values: [1]}}}}}}), [2, 5, 8]);
            const prefetch = [{query: nearest(1), using: 'v', limit: 10n}];
            assert.deepEqual(await found({using: undefined, prefetch, query: {variant: {case: 'fusion', value: q.Fusion.RRF}}}), [9, 8, 7]);
            assert.deepEqual(await found({using: undefined, query: {variant: {case: 'orderBy', value: {key: 'n'}}}}), [0, 1, 2]);
            const flipped = {variant: {case: 'formula', value: {expression: {variant: {case: 'neg', value: {variant: {case: 'variable', value: '$score'}}}}}}};
            assert.deepEqual((await found({using: undefined, prefetch, query: flipped}))[0], 0);
        },
        async queryBatch() { assert.deepEqual((await points.queryBatch({collectionName, queryPoints: [ask, {...ask, query: nearest(-1)}]})).result.map(r => ids(r.result)[0]), [9, 0]); },
        async queryGroups() {
            const r = (await points.queryGroups({...ask, groupBy: 's', groupSize: 2n})).result.groups;
            assert.deepEqual(r.map(g => [g.id.kind.value, ids(g.hits)]), [['b', [9, 7]], ['a', [8, 6]]]);
        },
        async facet() { assert.deepEqual((await points.facet({collectionName, key: 's'})).hits.map(h => [h.value.variant.value, h.count]), [['a', 5n], ['b', 5n]]); },
        async searchMatrixPairs() { assert.equal((await points.searchMatrixPairs({collectionName, using: 'v', sample: 10n, limit: 2n})).result.pairs.length, 20); },
        async searchMatrixOffsets() { assert.equal((await points.searchMatrixOffsets({collectionName, using: 'v', sample: 10n, limit: 2n})).result.ids.length, 10); },
    },
    exports: {
        async toDenseVector() { assert.deepEqual([...q.toDenseVector((await vectors()).v).data], [3, 1]); assert.equal(q.toDenseVector((await vectors()).words), undefined); },
        async toSparseVector() { const r = q.toSparseVector((await vectors()).words); assert.deepEqual([[...r.indices], [...r.values]], [[0], [1]]); },
        async toMultiDenseVector() { assert.equal(q.toMultiDenseVector((await vectors()).v), undefined); },
        async getVectorType() { const v = await vectors(); assert.deepEqual([q.getVectorType(v.v), q.getVectorType(v.words)], ['dense', 'sparse']); },
        async withHeaders() { assert.equal(Number((await q.withHeaders({'x-request-id': 'one'}, () => points.count({collectionName}))).result.count), 10); },
    },
};

const excluded = new Map(readFileSync(new URL('exclusions.txt', import.meta.url), 'utf8').split('\n').filter(l => l).map(l => l.split(': ')));
const functions = Object.keys(q).filter(k => typeof q[k] === 'function' && /^[a-z]/.test(k));
const all = [...Object.entries({service, snapshots, points, collections}).map(([n, api]) => [n, Object.keys(api)]), ['exports', functions]];

for (const [group, methods] of all) {
    assert.ok(methods.length > 0, group);
    for (const method of methods) {
        test(`${group}.${method}`, async () => {
            const there = method in tests[group], why = excluded.get(`grpc ${group}.${method}`);
            assert.ok(there !== (why !== undefined), `grpc ${group}.${method}: a test, or a line in exclusions.txt, and not both`);
            if (!there) return assert.ok(why, 'a reason');
            await fill();
            await tests[group][method]();
        });
    }
}
