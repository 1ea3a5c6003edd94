// The official Go client against the real server (KITH_GRPC_PORT): every method that the client has, by reflection, has a
// test here or stands in exclusions.txt with its reason.
package client

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

var (
	ctx    context.Context
	client *qdrant.Client
)

const name = "go"

func p[T any](v T) *T { return &v }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, ok bool, what ...any) {
	t.Helper()
	if !ok {
		t.Fatal(what...)
	}
}

func fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func done(t *testing.T, r *qdrant.UpdateResult, err error) {
	t.Helper()
	fine(t, err)
	check(t, r.Status == qdrant.UpdateStatus_Completed && r.GetOperationId() > 0, r)
}

func refused(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	check(t, status.Code(err) == code && strings.Contains(err.Error(), text), err)
}

func num(n uint64) *qdrant.PointId { return qdrant.NewIDNum(n) }

// A collection of ten points: vector "v" is (i, 1), "words" has the word i % 3, payload n, s, when and place.
func fill(t *testing.T) {
	t.Helper()
	if must[bool](t)(client.CollectionExists(ctx, name)) {
		fine(t, client.DeleteCollection(ctx, name))
	}
	fine(t, client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: name,
		VectorsConfig:       qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"v": {Size: 2, Distance: qdrant.Distance_Dot}}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"words": {}})}))
	var points []*qdrant.PointStruct
	for i := uint64(0); i < 10; i++ {
		points = append(points, &qdrant.PointStruct{Id: num(i),
			Payload: qdrant.NewValueMap(map[string]any{"n": i, "s": []string{"a", "b"}[i%2], "deep": map[string]any{"x": 1.5, "l": []any{nil, true}}}),
			Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"v": qdrant.NewVector(float32(i), 1),
				"words": qdrant.NewVectorSparse([]uint32{uint32(i % 3)}, []float32{1})})})
	}
	done2 := must[*qdrant.UpdateResult](t)
	done2(client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: p(true), Points: points}))
	for field, kind := range map[string]qdrant.FieldType{"n": qdrant.FieldType_FieldTypeInteger, "s": qdrant.FieldType_FieldTypeKeyword} {
		done2(client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: name, Wait: p(true), FieldName: field, FieldType: &kind}))
	}
}

func count(t *testing.T, f *qdrant.Filter) uint64 {
	t.Helper()
	return must[uint64](t)(client.Count(ctx, &qdrant.CountPoints{CollectionName: name, Filter: f, Exact: p(true)}))
}

func payload(t *testing.T, id uint64) map[string]*qdrant.Value {
	t.Helper()
	return must[[]*qdrant.RetrievedPoint](t)(client.Get(ctx, &qdrant.GetPoints{CollectionName: name, Ids: []*qdrant.PointId{num(id)},
		WithPayload: qdrant.NewWithPayload(true)}))[0].Payload
}

func nearest(x float32) *qdrant.QueryPoints {
	return &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQuery(x, 0), Using: p("v"), Limit: p(uint64(3))}
}

func ids(points []*qdrant.ScoredPoint) (r []uint64) {
	for _, x := range points {
		r = append(r, x.Id.GetNum())
	}
	return
}

func even() *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("s", "a")}}
}

// Points under two keys: two of "red", one of 7.
func keyed(t *testing.T) {
	fine(t, client.DeleteCollection(ctx, name))
	fine(t, client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: name, ShardingMethod: qdrant.ShardingMethod_Custom.Enum(),
		VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Dot})}))
	keys := []*qdrant.ShardKey{qdrant.NewShardKey("red"), qdrant.NewShardKeyNum(7)}
	for i, key := range keys {
		fine(t, client.CreateShardKey(ctx, name, &qdrant.CreateShardKey{ShardKey: key}))
		for j := 0; j < 2-i; j++ {
			r, err := client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: p(true),
				Points:           []*qdrant.PointStruct{{Id: qdrant.NewIDNum(uint64(10*i + j)), Vectors: qdrant.NewVectors(1, 2)}},
				ShardKeySelector: &qdrant.ShardKeySelector{ShardKeys: []*qdrant.ShardKey{key}}})
			done(t, r, err)
		}
	}
	check(t, must[uint64](t)(client.Count(ctx, &qdrant.CountPoints{CollectionName: name,
		ShardKeySelector: &qdrant.ShardKeySelector{ShardKeys: keys[:1]}})) == 2)
}

var tests = map[string]func(t *testing.T){
	"HealthCheck": func(t *testing.T) {
		r := must[*qdrant.HealthCheckReply](t)(client.HealthCheck(ctx))
		check(t, strings.Contains(r.Title, "kith") && r.Version != "", r)
	},
	"CreateCollection": func(t *testing.T) {
		fill(t)
		refused(t, client.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: name}), codes.AlreadyExists, "already exists")
	},
	"CollectionExists": func(t *testing.T) {
		fill(t)
		check(t, must[bool](t)(client.CollectionExists(ctx, name)) && !must[bool](t)(client.CollectionExists(ctx, "nobody")))
	},
	"GetCollectionInfo": func(t *testing.T) {
		fill(t)
		r := must[*qdrant.CollectionInfo](t)(client.GetCollectionInfo(ctx, name))
		check(t, r.GetPointsCount() == 10 && r.Config.Params.VectorsConfig.GetParamsMap().Map["v"].Size == 2 && r.Config.HnswConfig.GetM() == 16, r)
		check(t, r.PayloadSchema["n"].DataType == qdrant.PayloadSchemaType_Integer && r.PayloadSchema["n"].GetPoints() == 10, r.PayloadSchema)
		_, err := client.GetCollectionInfo(ctx, "nobody")
		refused(t, err, codes.NotFound, "nobody")
	},
	"ListCollections": func(t *testing.T) {
		fill(t)
		check(t, slices.Contains(must[[]string](t)(client.ListCollections(ctx)), name))
	},
	"UpdateCollection": func(t *testing.T) {
		fill(t)
		fine(t, client.UpdateCollection(ctx, &qdrant.UpdateCollection{CollectionName: name, HnswConfig: &qdrant.HnswConfigDiff{EfConstruct: p(uint64(200))},
			Metadata: qdrant.NewValueMap(map[string]any{"made": "here"})}))
		c := must[*qdrant.CollectionInfo](t)(client.GetCollectionInfo(ctx, name)).Config
		check(t, c.HnswConfig.GetEfConstruct() == 200 && c.Metadata["made"].GetStringValue() == "here", c)
	},
	"DeleteCollection": func(t *testing.T) {
		fill(t)
		fine(t, client.DeleteCollection(ctx, name))
		check(t, !must[bool](t)(client.CollectionExists(ctx, name)))
	},
	"GetCollectionClusterInfo": func(t *testing.T) {
		fill(t)
		r := must[*qdrant.CollectionClusterInfoResponse](t)(client.GetCollectionClusterInfo(ctx, name))
		check(t, r.ShardCount == 1 && r.LocalShards[0].PointsCount == 10 && r.LocalShards[0].State == qdrant.ReplicaState_Active, r)
	},
	"CreateShardKey": keyed,
	"ListShardKeys": func(t *testing.T) {
		keyed(t)
		r := must[[]*qdrant.ShardKeyDescription](t)(client.ListShardKeys(ctx, name))
		check(t, len(r) == 2 && r[0].Key.GetKeyword() == "red" && r[1].Key.GetNumber() == 7, r)
	},
	"DeleteShardKey": func(t *testing.T) {
		keyed(t)
		fine(t, client.DeleteShardKey(ctx, name, &qdrant.DeleteShardKey{ShardKey: qdrant.NewShardKey("red")}))
		check(t, must[uint64](t)(client.Count(ctx, &qdrant.CountPoints{CollectionName: name})) == 1)
	},
	"UpdateClusterCollectionSetup": func(t *testing.T) {
		fill(t)
		err := client.UpdateClusterCollectionSetup(ctx, qdrant.NewUpdateCollectionClusterDropReplica(name, &qdrant.Replica{ShardId: 0, PeerId: 1}))
		check(t, err != nil && strings.Contains(err.Error(), "Distributed mode is disabled"), err)
	},
	"CreateAlias": func(t *testing.T) {
		fill(t)
		fine(t, client.CreateAlias(ctx, "other", name))
		check(t, must[uint64](t)(client.Count(ctx, &qdrant.CountPoints{CollectionName: "other"})) == 10)
	},
	"ListAliases": func(t *testing.T) {
		fill(t)
		fine(t, client.CreateAlias(ctx, "other", name))
		r := must[[]*qdrant.AliasDescription](t)(client.ListAliases(ctx))
		check(t, len(r) == 1 && r[0].AliasName == "other" && r[0].CollectionName == name, r)
	},
	"ListCollectionAliases": func(t *testing.T) {
		fill(t)
		fine(t, client.CreateAlias(ctx, "other", name))
		check(t, slices.Equal(must[[]string](t)(client.ListCollectionAliases(ctx, name)), []string{"other"}))
	},
	"RenameAlias": func(t *testing.T) {
		fill(t)
		fine(t, client.CreateAlias(ctx, "other", name))
		fine(t, client.RenameAlias(ctx, "other", "third"))
		check(t, slices.Equal(must[[]string](t)(client.ListCollectionAliases(ctx, name)), []string{"third"}))
	},
	"DeleteAlias": func(t *testing.T) {
		fill(t)
		fine(t, client.CreateAlias(ctx, "other", name))
		fine(t, client.DeleteAlias(ctx, "other"))
		check(t, len(must[[]string](t)(client.ListCollectionAliases(ctx, name))) == 0)
	},
	"UpdateAliases": func(t *testing.T) {
		fill(t)
		fine(t, client.UpdateAliases(ctx, []*qdrant.AliasOperations{qdrant.NewAliasCreate("one", name), qdrant.NewAliasRename("one", "two")}))
		check(t, slices.Equal(must[[]string](t)(client.ListCollectionAliases(ctx, name)), []string{"two"}))
	},
	"Upsert": func(t *testing.T) {
		fill(t)
		r, err := client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: p(true), Points: []*qdrant.PointStruct{
			{Id: qdrant.NewIDUUID("936DA01F9ABD4d9d80C702AF85C822A8"), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"v": qdrant.NewVector(50, 0)})}}})
		done(t, r, err)
		got := must[[]*qdrant.ScoredPoint](t)(client.Query(ctx, nearest(1)))
		check(t, got[0].Id.GetUuid() == "936da01f-9abd-4d9d-80c7-02af85c822a8" && got[0].Score == 50, got)
		_, err = client.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Points: []*qdrant.PointStruct{{Id: num(1), Vectors: qdrant.NewVectors(1)}}})
		refused(t, err, codes.InvalidArgument, "vector")
	},
	"Get": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.RetrievedPoint](t)(client.Get(ctx, &qdrant.GetPoints{CollectionName: name, Ids: []*qdrant.PointId{num(7), num(99), num(3)},
			WithPayload: qdrant.NewWithPayloadInclude("n", "deep"), WithVectors: qdrant.NewWithVectorsInclude("v")}))
		check(t, len(r) == 2 && r[0].Id.GetNum() == 7 && len(r[0].Payload) == 2, r)
		check(t, slices.Equal(r[0].Vectors.GetVectors().Vectors["v"].GetDense().Data, []float32{7, 1}), r[0].Vectors)
		deep := r[1].Payload["deep"].GetStructValue().Fields
		check(t, r[1].Payload["n"].GetIntegerValue() == 3 && deep["x"].GetDoubleValue() == 1.5 && deep["l"].GetListValue().Values[1].GetBoolValue(), r[1])
	},
	"Delete": func(t *testing.T) {
		fill(t)
		r, err := client.Delete(ctx, &qdrant.DeletePoints{CollectionName: name, Wait: p(true), Points: qdrant.NewPointsSelector(num(1), num(2))})
		done(t, r, err)
		r, err = client.Delete(ctx, &qdrant.DeletePoints{CollectionName: name, Wait: p(true), Points: qdrant.NewPointsSelectorFilter(even())})
		done(t, r, err)
		check(t, count(t, nil) == 4)
	},
	"Count": func(t *testing.T) {
		fill(t)
		check(t, count(t, nil) == 10 && count(t, even()) == 5)
	},
	"SetPayload": func(t *testing.T) {
		fill(t)
		r, err := client.SetPayload(ctx, &qdrant.SetPayloadPoints{CollectionName: name, Wait: p(true), Payload: qdrant.NewValueMap(map[string]any{"x": 2.5}),
			PointsSelector: qdrant.NewPointsSelector(num(3)), Key: p("deep")})
		done(t, r, err)
		check(t, payload(t, 3)["deep"].GetStructValue().Fields["x"].GetDoubleValue() == 2.5 && payload(t, 3)["n"].GetIntegerValue() == 3)
	},
	"OverwritePayload": func(t *testing.T) {
		fill(t)
		r, err := client.OverwritePayload(ctx, &qdrant.SetPayloadPoints{CollectionName: name, Wait: p(true), Payload: qdrant.NewValueMap(map[string]any{"new": true}),
			PointsSelector: qdrant.NewPointsSelectorFilter(even())})
		done(t, r, err)
		check(t, len(payload(t, 4)) == 1 && payload(t, 4)["new"].GetBoolValue() && len(payload(t, 5)) == 3)
	},
	"DeletePayload": func(t *testing.T) {
		fill(t)
		r, err := client.DeletePayload(ctx, &qdrant.DeletePayloadPoints{CollectionName: name, Wait: p(true), Keys: []string{"deep.x", "s"}, PointsSelector: qdrant.NewPointsSelector(num(3))})
		done(t, r, err)
		got := payload(t, 3)
		check(t, got["s"] == nil && got["deep"].GetStructValue().Fields["x"] == nil && got["n"] != nil, got)
	},
	"ClearPayload": func(t *testing.T) {
		fill(t)
		r, err := client.ClearPayload(ctx, &qdrant.ClearPayloadPoints{CollectionName: name, Wait: p(true), Points: qdrant.NewPointsSelector(num(3))})
		done(t, r, err)
		check(t, len(payload(t, 3)) == 0)
	},
	"UpdateVectors": func(t *testing.T) {
		fill(t)
		r, err := client.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: name, Wait: p(true), Points: []*qdrant.PointVectors{
			{Id: num(3), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"v": qdrant.NewVector(70, 0)})}}})
		done(t, r, err)
		check(t, ids(must[[]*qdrant.ScoredPoint](t)(client.Query(ctx, nearest(1))))[0] == 3)
		_, err = client.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: name, Wait: p(true), Points: []*qdrant.PointVectors{
			{Id: num(77), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"v": qdrant.NewVector(70, 0)})}}})
		refused(t, err, codes.NotFound, "77")
	},
	"DeleteVectors": func(t *testing.T) {
		fill(t)
		r, err := client.DeleteVectors(ctx, &qdrant.DeletePointVectors{CollectionName: name, Wait: p(true), PointsSelector: qdrant.NewPointsSelector(num(9)),
			Vectors: &qdrant.VectorsSelector{Names: []string{"v"}}})
		done(t, r, err)
		check(t, ids(must[[]*qdrant.ScoredPoint](t)(client.Query(ctx, nearest(1))))[0] == 8)
	},
	"UpdateBatch": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.UpdateResult](t)(client.UpdateBatch(ctx, &qdrant.UpdateBatchPoints{CollectionName: name, Wait: p(true), Operations: []*qdrant.PointsUpdateOperation{
			qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: qdrant.NewPointsSelector(num(1))}),
			qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{Payload: qdrant.NewValueMap(map[string]any{"k": "v"}), PointsSelector: qdrant.NewPointsSelector(num(2))}),
			qdrant.NewPointsUpdateClearPayload(&qdrant.PointsUpdateOperation_ClearPayload{Points: qdrant.NewPointsSelector(num(3))})}}))
		check(t, len(r) == 3 && r[2].Status == qdrant.UpdateStatus_Completed, r)
		check(t, count(t, nil) == 9 && payload(t, 2)["k"].GetStringValue() == "v" && len(payload(t, 3)) == 0)
	},
	"CreateFieldIndex": func(t *testing.T) {
		fill(t)
		r, err := client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: name, Wait: p(true), FieldName: "deep.x",
			FieldType: qdrant.FieldType_FieldTypeFloat.Enum(), FieldIndexParams: qdrant.NewPayloadIndexParamsFloat(&qdrant.FloatIndexParams{IsPrincipal: p(true)})})
		done(t, r, err)
		info := must[*qdrant.CollectionInfo](t)(client.GetCollectionInfo(ctx, name))
		check(t, info.PayloadSchema["deep.x"].Params.GetFloatIndexParams().GetIsPrincipal(), info.PayloadSchema)
	},
	"DeleteFieldIndex": func(t *testing.T) {
		fill(t)
		r, err := client.DeleteFieldIndex(ctx, &qdrant.DeleteFieldIndexCollection{CollectionName: name, Wait: p(true), FieldName: "n"})
		done(t, r, err)
		check(t, must[*qdrant.CollectionInfo](t)(client.GetCollectionInfo(ctx, name)).PayloadSchema["n"] == nil)
	},
	"Query": func(t *testing.T) {
		fill(t)
		query := must[[]*qdrant.ScoredPoint](t)
		got := query(client.Query(ctx, nearest(1)))
		check(t, slices.Equal(ids(got), []uint64{9, 8, 7}) && got[0].Score == 9 && got[0].Payload == nil, got)
		q := nearest(1)
		q.Filter = &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange("n", &qdrant.Range{Lt: p(6.0)}), qdrant.NewMatchInts("n", 1, 3, 8)}}
		check(t, slices.Equal(ids(query(client.Query(ctx, q))), []uint64{3, 1}))
		sparse := &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQuerySparse([]uint32{2}, []float32{1}), Using: p("words")}
		check(t, slices.Equal(ids(query(client.Query(ctx, sparse))), []uint64{2, 5, 8}))
		fused := &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF), Limit: p(uint64(1)), Prefetch: []*qdrant.PrefetchQuery{
			{Query: qdrant.NewQuery(1, 0), Using: p("v")}, {Query: qdrant.NewQuerySparse([]uint32{2}, []float32{1}), Using: p("words")}}}
		check(t, slices.Equal(ids(query(client.Query(ctx, fused))), []uint64{2}))
		ordered := &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQueryOrderBy(&qdrant.OrderBy{Key: "n", Direction: qdrant.Direction_Desc.Enum()}), Limit: p(uint64(2))}
		check(t, slices.Equal(ids(query(client.Query(ctx, ordered))), []uint64{9, 8}))
		formula := &qdrant.QueryPoints{CollectionName: name, Prefetch: []*qdrant.PrefetchQuery{{Query: qdrant.NewQuery(1, 0), Using: p("v")}},
			Query: qdrant.NewQueryFormula(&qdrant.Formula{Expression: qdrant.NewExpressionMult(&qdrant.MultExpression{Mult: []*qdrant.Expression{
				qdrant.NewExpressionVariable("$score"), qdrant.NewExpressionConstant(-1)}})})}
		check(t, ids(query(client.Query(ctx, formula)))[0] == 0)
		like := &qdrant.QueryPoints{CollectionName: name, Using: p("v"), Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: []*qdrant.VectorInput{qdrant.NewVectorInputID(num(9))}})}
		check(t, ids(query(client.Query(ctx, like)))[0] == 8)
		_, err := client.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQuery(1, 2, 3), Using: p("v")})
		refused(t, err, codes.InvalidArgument, "expected dim: 2, got 3")
	},
	"QueryBatch": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.BatchResult](t)(client.QueryBatch(ctx, &qdrant.QueryBatchPoints{CollectionName: name, QueryPoints: []*qdrant.QueryPoints{nearest(1), nearest(-1)}}))
		check(t, len(r) == 2 && ids(r[0].Result)[0] == 9 && ids(r[1].Result)[0] == 0, r)
	},
	"QueryGroups": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.PointGroup](t)(client.QueryGroups(ctx, &qdrant.QueryPointGroups{CollectionName: name, Query: qdrant.NewQuery(1, 0), Using: p("v"), GroupBy: "s", GroupSize: p(uint64(2))}))
		check(t, len(r) == 2 && r[0].Id.GetStringValue() == "b" && slices.Equal(ids(r[0].Hits), []uint64{9, 7}), r)
	},
	"Scroll": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.RetrievedPoint](t)(client.Scroll(ctx, &qdrant.ScrollPoints{CollectionName: name, Filter: even(), Limit: p(uint32(3))}))
		check(t, len(r) == 3 && r[1].Id.GetNum() == 2 && r[1].Payload["n"].GetIntegerValue() == 2, r)
	},
	"ScrollAndOffset": func(t *testing.T) {
		fill(t)
		seen, at := 0, (*qdrant.PointId)(nil)
		for page := 0; page < 10; page++ {
			r, next, err := client.ScrollAndOffset(ctx, &qdrant.ScrollPoints{CollectionName: name, Limit: p(uint32(4)), Offset: at})
			fine(t, err)
			seen += len(r)
			if at = next; at == nil {
				break
			}
		}
		check(t, seen == 10 && at == nil, seen)
	},
	"Facet": func(t *testing.T) {
		fill(t)
		r := must[[]*qdrant.FacetHit](t)(client.Facet(ctx, &qdrant.FacetCounts{CollectionName: name, Key: "s"}))
		check(t, len(r) == 2 && r[0].Count == 5 && r[0].Value.GetStringValue() == "a", r)
	},
	"SearchMatrixPairs": func(t *testing.T) {
		fill(t)
		r := must[*qdrant.SearchMatrixPairs](t)(client.SearchMatrixPairs(ctx, &qdrant.SearchMatrixPoints{CollectionName: name, Using: p("v"), Sample: p(uint64(10)), Limit: p(uint64(2))}))
		check(t, len(r.Pairs) == 20, r)
	},
	"SearchMatrixOffsets": func(t *testing.T) {
		fill(t)
		r := must[*qdrant.SearchMatrixOffsets](t)(client.SearchMatrixOffsets(ctx, &qdrant.SearchMatrixPoints{CollectionName: name, Using: p("v"), Sample: p(uint64(10)), Limit: p(uint64(2))}))
		check(t, len(r.Ids) == 10 && len(r.OffsetsRow) == 20 && len(r.Scores) == 20, r)
	},
	"CreateSnapshot": func(t *testing.T) {
		fill(t)
		r := must[*qdrant.SnapshotDescription](t)(client.CreateSnapshot(ctx, name))
		check(t, strings.HasPrefix(r.Name, name+"-") && r.Size > 0 && time.Since(r.CreationTime.AsTime()) < time.Hour, r)
		fine(t, client.DeleteSnapshot(ctx, name, r.Name))
	},
	"ListSnapshots": func(t *testing.T) {
		fill(t)
		made := must[*qdrant.SnapshotDescription](t)(client.CreateSnapshot(ctx, name))
		r := must[[]*qdrant.SnapshotDescription](t)(client.ListSnapshots(ctx, name))
		check(t, len(r) == 1 && r[0].Name == made.Name && r[0].Size == made.Size, r)
		fine(t, client.DeleteSnapshot(ctx, name, made.Name))
	},
	"DeleteSnapshot": func(t *testing.T) {
		fill(t)
		made := must[*qdrant.SnapshotDescription](t)(client.CreateSnapshot(ctx, name))
		fine(t, client.DeleteSnapshot(ctx, name, made.Name))
		check(t, len(must[[]*qdrant.SnapshotDescription](t)(client.ListSnapshots(ctx, name))) == 0)
		refused(t, client.DeleteSnapshot(ctx, name, made.Name), codes.NotFound, made.Name)
	},
	"CreateFullSnapshot": func(t *testing.T) {
		r := must[*qdrant.SnapshotDescription](t)(client.CreateFullSnapshot(ctx))
		check(t, strings.HasPrefix(r.Name, "full-snapshot-"), r)
		fine(t, client.DeleteFullSnapshot(ctx, r.Name))
	},
	"ListFullSnapshots": func(t *testing.T) {
		made := must[*qdrant.SnapshotDescription](t)(client.CreateFullSnapshot(ctx))
		r := must[[]*qdrant.SnapshotDescription](t)(client.ListFullSnapshots(ctx))
		check(t, len(r) == 1 && r[0].Name == made.Name, r)
		fine(t, client.DeleteFullSnapshot(ctx, made.Name))
	},
	"DeleteFullSnapshot": func(t *testing.T) {
		made := must[*qdrant.SnapshotDescription](t)(client.CreateFullSnapshot(ctx))
		fine(t, client.DeleteFullSnapshot(ctx, made.Name))
		check(t, len(must[[]*qdrant.SnapshotDescription](t)(client.ListFullSnapshots(ctx))) == 0)
	},
	"GetConnection":   func(t *testing.T) { check(t, client.GetConnection() != nil) },
	"GetGrpcClient":   func(t *testing.T) { check(t, client.GetGrpcClient() != nil) },
	"GetQdrantClient": func(t *testing.T) { check(t, client.GetQdrantClient() != nil) },
	"GetCollectionsClient": func(t *testing.T) {
		r := must[*qdrant.ListCollectionsResponse](t)(client.GetCollectionsClient().List(ctx, &qdrant.ListCollectionsRequest{}))
		check(t, r.Time >= 0)
	},
	"GetPointsClient": func(t *testing.T) { // the older calls have no method of their own
		fill(t)
		r := must[*qdrant.SearchResponse](t)(client.GetPointsClient().Search(ctx, &qdrant.SearchPoints{CollectionName: name, Vector: []float32{1, 0}, VectorName: p("v"), Limit: 2}))
		check(t, slices.Equal(ids(r.Result), []uint64{9, 8}), r)
		d := must[*qdrant.RecommendResponse](t)(client.GetPointsClient().Recommend(ctx, &qdrant.RecommendPoints{CollectionName: name, Positive: []*qdrant.PointId{num(9)}, Using: p("v"), Limit: 1}))
		check(t, slices.Equal(ids(d.Result), []uint64{8}), d)
	},
	"GetSnapshotsClient": func(t *testing.T) { check(t, client.GetSnapshotsClient() != nil) },
	"Close": func(t *testing.T) {
		other, err := connect()
		fine(t, err)
		must[*qdrant.HealthCheckReply](t)(other.HealthCheck(ctx))
		connection := other.GetConnection()
		fine(t, other.Close())
		check(t, connection.GetState() == connectivity.Shutdown)
	},
}

func connect() (*qdrant.Client, error) {
	port, err := strconv.Atoi(os.Getenv("KITH_GRPC_PORT"))
	if err != nil {
		return nil, fmt.Errorf("KITH_GRPC_PORT: %w", err)
	}
	return qdrant.NewClient(&qdrant.Config{Host: "127.0.0.1", Port: port, SkipCompatibilityCheck: true})
}

func exclusions(t *testing.T) map[string]bool {
	file, err := os.Open("exclusions.txt")
	fine(t, err)
	defer file.Close()
	r := map[string]bool{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		method, reason, _ := strings.Cut(lines.Text(), ": ")
		check(t, reason != "", "no reason: ", method)
		r[method] = true
	}
	return r
}

func TestEveryMethod(t *testing.T) {
	var cancel context.CancelFunc
	var err error
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	client, err = connect()
	fine(t, err)
	defer client.Close()
	excluded, kind := exclusions(t), reflect.TypeOf(client)
	for i := 0; i < kind.NumMethod(); i++ {
		method := kind.Method(i).Name
		test, there := tests[method]
		check(t, there != excluded[method], method, ": a method needs a test, or a line in exclusions.txt, and not both")
		if there {
			t.Run(method, test)
		}
	}
}
