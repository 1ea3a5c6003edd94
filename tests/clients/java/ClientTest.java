/* Every public method of the official Java client against a running server: their names are read from the class, each has a
 * test of that name (without Async) that asserts what comes back, or stands in exclusions.txt with a reason. */
import static io.qdrant.client.ConditionFactory.matchKeyword;
import static io.qdrant.client.PointIdFactory.id;
import static io.qdrant.client.QueryFactory.nearest;
import static io.qdrant.client.ValueFactory.value;
import static io.qdrant.client.VectorsFactory.vectors;

import io.qdrant.client.QdrantClient;
import io.qdrant.client.QdrantGrpcClient;
import io.qdrant.client.WithPayloadSelectorFactory;
import io.qdrant.client.WithVectorsSelectorFactory;
import io.qdrant.client.grpc.Collections.*;
import io.qdrant.client.grpc.Common.*;
import io.qdrant.client.grpc.Points.*;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;

public class ClientTest {
  static QdrantClient c;
  static int made;

  static void check(boolean holds, Object... what) {
    if (!holds) throw new AssertionError(Arrays.toString(what));
  }

  static VectorParams params(int size) {
    return VectorParams.newBuilder().setSize(size).setDistance(Distance.Dot).build();
  }

  /* 20 points: vector {i, 1}, payload n: i, tag: a or b */
  static String filled() throws Exception {
    String name = "java" + made++;
    c.createCollectionAsync(name, params(2)).get();
    List<PointStruct> points = new ArrayList<>();
    for (int i = 0; i < 20; i++)
      points.add(PointStruct.newBuilder().setId(id(i)).setVectors(vectors(i, 1))
          .putAllPayload(Map.of("n", value(i), "tag", value(i % 2 == 0 ? "a" : "b"))).build());
    check(c.upsertAsync(name, points).get().getStatus() == UpdateStatus.Completed);
    return name;
  }

  static Filter tagged(String tag) {
    return Filter.newBuilder().addMust(matchKeyword("tag", tag)).build();
  }

  static void refused(String why, java.util.concurrent.Callable<?> call) throws Exception {
    try {
      call.call();
    } catch (ExecutionException e) {
      check(e.getCause().getMessage().contains(why), e.getCause().getMessage());
      return;
    }
    throw new AssertionError("was not refused");
  }

  static RetrievedPoint one(String name, long i) throws Exception {
    return c.retrieveAsync(name, List.of(id(i)), true, true, null).get().get(0);
  }

  static List<Float> vectorOf(RetrievedPoint p) {
    return p.getVectors().getVector().getDense().getDataList();
  }

  static List<Long> idsOf(List<ScoredPoint> points) {
    return points.stream().map(p -> p.getId().getNum()).collect(Collectors.toList());
  }

  static void healthCheck() throws Exception {
    check(c.healthCheckAsync().get().getVersion().startsWith("1.19."));
    check(c.healthCheckAsync(Duration.ofSeconds(5)).get().getTitle().length() > 0);
  }

  static void createCollection() throws Exception {
    String name = "java" + made++;
    check(c.createCollectionAsync(name, Map.of("a", params(2), "b", params(3))).get().getResult());
    check(c.getCollectionInfoAsync(name).get().getConfig().getParams().getVectorsConfig().getParamsMap().getMapMap().get("b").getSize() == 3);
    refused("already exists", () -> c.createCollectionAsync(name, params(2)).get());
  }

  static void recreateCollection() throws Exception {
    String name = filled();
    check(c.recreateCollectionAsync(name, params(4)).get().getResult());
    check(c.countAsync(name).get() == 0);
  }

  static void getCollectionInfo() throws Exception {
    CollectionInfo info = c.getCollectionInfoAsync(filled()).get();
    check(info.getPointsCount() == 20 && info.getStatus() == CollectionStatus.Green, info);
    check(info.getConfig().getParams().getVectorsConfig().getParams().getSize() == 2, info);
  }

  static void getCollectionClusterInfo() throws Exception {
    CollectionClusterInfoResponse info = c.getCollectionClusterInfoAsync(filled()).get();
    check(info.getShardCount() == 1 && info.getLocalShards(0).getPointsCount() == 20, info);
  }

  static void deleteCollection() throws Exception {
    String name = filled();
    check(c.deleteCollectionAsync(name).get().getResult());
    check(!c.collectionExistsAsync(name).get());
  }

  static void listCollections() throws Exception {
    String name = filled();
    check(c.listCollectionsAsync().get().contains(name));
  }

  static void updateCollection() throws Exception {
    String name = filled();
    check(c.updateCollectionAsync(UpdateCollection.newBuilder().setCollectionName(name)
        .setHnswConfig(HnswConfigDiff.newBuilder().setM(32)).build()).get().getResult());
    check(c.getCollectionInfoAsync(name).get().getConfig().getHnswConfig().getM() == 32);
  }

  static void collectionExists() throws Exception {
    check(c.collectionExistsAsync(filled()).get() && !c.collectionExistsAsync("nowhere").get());
  }

  static void createAlias() throws Exception {
    String name = filled();
    check(c.createAliasAsync(name + "alias", name).get().getResult());
    check(c.countAsync(name + "alias").get() == 20);
  }

  static void renameAlias() throws Exception {
    String name = filled();
    c.createAliasAsync(name + "one", name).get();
    check(c.renameAliasAsync(name + "one", name + "two").get().getResult());
    check(c.listCollectionAliasesAsync(name).get().equals(List.of(name + "two")));
  }

  static void deleteAlias() throws Exception {
    String name = filled();
    c.createAliasAsync(name + "gone", name).get();
    check(c.deleteAliasAsync(name + "gone").get().getResult());
    check(c.listCollectionAliasesAsync(name).get().isEmpty());
  }

  static void updateAliases() throws Exception {
    String name = filled();
    check(c.updateAliasesAsync(List.of(AliasOperations.newBuilder().setCreateAlias(
        CreateAlias.newBuilder().setCollectionName(name).setAliasName(name + "x")).build())).get().getResult());
    check(c.collectionExistsAsync(name + "x").get());
  }

  static void listCollectionAliases() throws Exception {
    String name = filled();
    check(c.listCollectionAliasesAsync(name).get().isEmpty());
  }

  static void listAliases() throws Exception {
    String name = filled();
    c.createAliasAsync(name + "listed", name).get();
    check(c.listAliasesAsync().get().stream().anyMatch(a -> a.getAliasName().equals(name + "listed") && a.getCollectionName().equals(name)));
  }

  static void createShardKey() throws Exception {
    String name = filled();
    refused("custom sharding", () -> c.createShardKeyAsync(CreateShardKeyRequest.newBuilder().setCollectionName(name).build()).get());
  }

  static void deleteShardKey() throws Exception {
    String name = filled();
    refused("custom sharding", () -> c.deleteShardKeyAsync(DeleteShardKeyRequest.newBuilder().setCollectionName(name).build()).get());
  }

  static void listShardKeys() throws Exception {
    check(c.listShardKeysAsync(filled()).get().isEmpty());
  }

  static void upsert() throws Exception {
    String name = filled();
    UpdateResult done = c.upsertAsync(UpsertPoints.newBuilder().setCollectionName(name).setWait(false)
        .addPoints(PointStruct.newBuilder().setId(id(UUID.fromString("6f9619ff-8b86-d011-b42d-00cf4fc964ff"))).setVectors(vectors(1, 2))).build()).get();
    check(done.getStatus() == UpdateStatus.Acknowledged, done);
    check(one(name, 7).getPayloadMap().get("n").getIntegerValue() == 7 && vectorOf(one(name, 7)).equals(List.of(7f, 1f)));
  }

  static void delete() throws Exception {
    String name = filled();
    c.deleteAsync(name, List.of(id(0), id(1))).get();
    c.deleteAsync(name, tagged("a")).get();
    check(c.countAsync(name).get() == 9, c.countAsync(name).get());
  }

  static void retrieve() throws Exception {
    List<RetrievedPoint> got = c.retrieveAsync(filled(), List.of(id(3), id(99), id(5)), true, true, null).get();
    check(got.size() == 2 && got.get(0).getId().getNum() == 3 && vectorOf(got.get(1)).equals(List.of(5f, 1f)), got);
  }

  static void updateVectors() throws Exception {
    String name = filled();
    c.updateVectorsAsync(name, List.of(PointVectors.newBuilder().setId(id(1)).setVectors(vectors(9, 9)).build())).get();
    check(vectorOf(one(name, 1)).equals(List.of(9f, 9f)));
  }

  static void deleteVectors() throws Exception {
    String name = filled();
    c.deleteVectorsAsync(name, List.of(""), List.of(id(1))).get();
    check(vectorOf(one(name, 1)).isEmpty() && vectorOf(one(name, 2)).size() == 2);
  }

  static void setPayload() throws Exception {
    String name = filled();
    c.setPayloadAsync(name, Map.of("x", value(true)), id(1), true, null, null).get();
    check(one(name, 1).getPayloadMap().get("x").getBoolValue() && one(name, 1).getPayloadMap().size() == 3);
  }

  static void overwritePayload() throws Exception {
    String name = filled();
    c.overwritePayloadAsync(name, Map.of("x", value(1.5)), List.of(id(1)), true, null, null).get();
    check(one(name, 1).getPayloadMap().size() == 1 && one(name, 1).getPayloadMap().get("x").getDoubleValue() == 1.5);
  }

  static void deletePayload() throws Exception {
    String name = filled();
    c.deletePayloadAsync(name, List.of("n"), tagged("a"), true, null, null).get();
    check(one(name, 2).getPayloadMap().size() == 1 && one(name, 3).getPayloadMap().size() == 2);
  }

  static void clearPayload() throws Exception {
    String name = filled();
    c.clearPayloadAsync(name, id(2), true, null, null).get();
    check(one(name, 2).getPayloadMap().isEmpty());
  }

  static void createPayloadIndex() throws Exception {
    String name = filled();
    c.createPayloadIndexAsync(name, "tag", PayloadSchemaType.Keyword, null, true, null, null).get();
    check(c.getCollectionInfoAsync(name).get().getPayloadSchemaMap().get("tag").getDataType() == PayloadSchemaType.Keyword);
  }

  static void deletePayloadIndex() throws Exception {
    String name = filled();
    c.createPayloadIndexAsync(name, "tag", PayloadSchemaType.Keyword, null, true, null, null).get();
    c.deletePayloadIndexAsync(name, "tag", true, null, null).get();
    check(c.getCollectionInfoAsync(name).get().getPayloadSchemaMap().isEmpty());
  }

  static String named() throws Exception {
    String name = "java" + made++;
    c.createCollectionAsync(name, Map.of("a", params(2))).get();
    return name;
  }

  static void createVectorName() throws Exception {
    String name = named();
    c.createVectorNameAsync(CreateVectorNameRequest.newBuilder().setCollectionName(name).setVectorName("late")
        .setDenseConfig(DenseVectorCreationConfig.newBuilder().setSize(5).setDistance(Distance.Euclid)).build()).get();
    check(c.getCollectionInfoAsync(name).get().getConfig().getParams().getVectorsConfig().getParamsMap().getMapMap().get("late").getSize() == 5);
  }

  static void deleteVectorName() throws Exception {
    String name = named();
    c.deleteVectorNameAsync(DeleteVectorNameRequest.newBuilder().setCollectionName(name).setVectorName("a").build()).get();
    check(c.getCollectionInfoAsync(name).get().getConfig().getParams().getVectorsConfig().getParamsMap().getMapMap().isEmpty());
  }

  static SearchPoints nearestTo(String name, float x, int limit) {
    return SearchPoints.newBuilder().setCollectionName(name).addAllVector(List.of(x, 0f)).setLimit(limit).build();
  }

  static void search() throws Exception {
    List<ScoredPoint> got = c.searchAsync(nearestTo(filled(), 1, 3)).get();
    check(idsOf(got).equals(List.of(19L, 18L, 17L)) && got.get(0).getScore() == 19, got);
  }

  static void searchBatch() throws Exception {
    String name = filled();
    List<BatchResult> got = c.searchBatchAsync(name, List.of(nearestTo(name, 1, 1), nearestTo(name, -1, 2)), null).get();
    check(idsOf(got.get(0).getResultList()).equals(List.of(19L)) && idsOf(got.get(1).getResultList()).equals(List.of(0L, 1L)), got);
  }

  static void searchGroups() throws Exception {
    List<PointGroup> got = c.searchGroupsAsync(SearchPointGroups.newBuilder().setCollectionName(filled()).addAllVector(List.of(1f, 0f))
        .setGroupBy("tag").setGroupSize(2).setLimit(2).build()).get();
    check(got.size() == 2 && got.get(0).getId().getStringValue().equals("b") && got.get(0).getHits(0).getId().getNum() == 19, got);
  }

  static void scroll() throws Exception {
    ScrollResponse got = c.scrollAsync(ScrollPoints.newBuilder().setCollectionName(filled()).setLimit(12).build()).get();
    check(got.getResultCount() == 12 && got.getNextPageOffset().getNum() == 12, got);
  }

  static void recommend() throws Exception {
    List<ScoredPoint> got = c.recommendAsync(RecommendPoints.newBuilder().setCollectionName(filled()).addPositive(id(19)).setLimit(2).build()).get();
    check(idsOf(got).equals(List.of(18L, 17L)), got);
  }

  static void recommendBatch() throws Exception {
    String name = filled();
    List<BatchResult> got = c.recommendBatchAsync(name, List.of(
        RecommendPoints.newBuilder().setCollectionName(name).addPositive(id(19)).setLimit(1).build()), null).get();
    check(idsOf(got.get(0).getResultList()).equals(List.of(18L)), got);
  }

  static void batchUpdate() throws Exception {
    String name = filled();
    List<UpdateResult> got = c.batchUpdateAsync(name, List.of(PointsUpdateOperation.newBuilder().setClearPayload(
        PointsUpdateOperation.ClearPayload.newBuilder().setPoints(PointsSelector.newBuilder().setPoints(
            PointsIdsList.newBuilder().addIds(id(4))))).build())).get();
    check(got.size() == 1 && one(name, 4).getPayloadMap().isEmpty(), got);
  }

  static void recommendGroups() throws Exception {
    List<PointGroup> got = c.recommendGroupsAsync(RecommendPointGroups.newBuilder().setCollectionName(filled()).addPositive(id(19))
        .setGroupBy("tag").setGroupSize(1).setLimit(2).build()).get();
    check(got.size() == 2 && got.get(0).getHits(0).getId().getNum() == 18, got);
  }

  static DiscoverPoints discovery(String name) {
    return DiscoverPoints.newBuilder().setCollectionName(name).setTarget(TargetVector.newBuilder().setSingle(VectorExample.newBuilder().setId(id(10))))
        .addContext(ContextExamplePair.newBuilder().setPositive(VectorExample.newBuilder().setId(id(19)))
            .setNegative(VectorExample.newBuilder().setId(id(0)))).setLimit(3).build();
  }

  static void discover() throws Exception {
    check(idsOf(c.discoverAsync(discovery(filled())).get()).equals(List.of(18L, 17L, 16L)));
  }

  static void discoverBatch() throws Exception {
    String name = filled();
    check(idsOf(c.discoverBatchAsync(name, List.of(discovery(name)), null).get().get(0).getResultList()).size() == 3);
  }

  static void count() throws Exception {
    String name = filled();
    check(c.countAsync(name).get() == 20 && c.countAsync(name, tagged("a"), true).get() == 10);
  }

  static QueryPoints asked(String name) {
    return QueryPoints.newBuilder().setCollectionName(name).setQuery(nearest(1, 0)).setLimit(2)
        .setWithPayload(WithPayloadSelectorFactory.enable(true)).setWithVectors(WithVectorsSelectorFactory.enable(true)).build();
  }

  static void query() throws Exception {
    List<ScoredPoint> got = c.queryAsync(asked(filled())).get();
    check(idsOf(got).equals(List.of(19L, 18L)) && got.get(0).getPayloadMap().get("tag").getStringValue().equals("b"), got);
    check(got.get(0).getVectors().getVector().getDense().getDataList().equals(List.of(19f, 1f)), got);
  }

  static void queryBatch() throws Exception {
    String name = filled();
    check(idsOf(c.queryBatchAsync(name, List.of(asked(name), asked(name))).get().get(1).getResultList()).equals(List.of(19L, 18L)));
  }

  static void queryGroups() throws Exception {
    List<PointGroup> got = c.queryGroupsAsync(QueryPointGroups.newBuilder().setCollectionName(filled()).setQuery(nearest(1, 0))
        .setGroupBy("tag").setGroupSize(2).setLimit(2).build()).get();
    check(got.get(1).getHits(0).getId().getNum() == 18, got);
  }

  static void facet() throws Exception {
    String name = filled();
    c.createPayloadIndexAsync(name, "tag", PayloadSchemaType.Keyword, null, true, null, null).get();
    List<FacetHit> got = c.facetAsync(FacetCounts.newBuilder().setCollectionName(name).setKey("tag").build()).get();
    check(got.size() == 2 && got.get(0).getValue().getStringValue().equals("a") && got.get(0).getCount() == 10, got);
  }

  static SearchMatrixPoints matrix(String name) {
    return SearchMatrixPoints.newBuilder().setCollectionName(name).setSample(5).setLimit(2).build();
  }

  static void searchMatrixPairs() throws Exception {
    SearchMatrixPairs got = c.searchMatrixPairsAsync(matrix(filled())).get();
    check(got.getPairsCount() == 10 && got.getPairsList().stream().allMatch(p -> p.getScore() == p.getA().getNum() * p.getB().getNum() + 1), got);
  }

  static void searchMatrixOffsets() throws Exception {
    SearchMatrixOffsets got = c.searchMatrixOffsetsAsync(matrix(filled())).get();
    check(got.getIdsCount() == 5 && got.getScoresCount() == 10, got);
  }

  static void createSnapshot() throws Exception {
    check(c.createSnapshotAsync(filled()).get().getSize() > 0);
  }

  static void listSnapshot() throws Exception {
    String name = filled(), snapshot = c.createSnapshotAsync(name).get().getName();
    check(c.listSnapshotAsync(name).get().get(0).getName().equals(snapshot));
  }

  static void deleteSnapshot() throws Exception {
    String name = filled();
    c.deleteSnapshotAsync(name, c.createSnapshotAsync(name).get().getName()).get();
    check(c.listSnapshotAsync(name).get().isEmpty());
  }

  static void createFullSnapshot() throws Exception {
    check(c.createFullSnapshotAsync().get().getName().startsWith("full-snapshot"));
  }

  static void listFullSnapshot() throws Exception {
    String snapshot = c.createFullSnapshotAsync().get().getName();
    check(c.listFullSnapshotAsync().get().stream().anyMatch(s -> s.getName().equals(snapshot)));
  }

  static void deleteFullSnapshot() throws Exception {
    String snapshot = c.createFullSnapshotAsync().get().getName();
    c.deleteFullSnapshotAsync(snapshot).get();
    check(c.listFullSnapshotAsync().get().stream().noneMatch(s -> s.getName().equals(snapshot)));
  }

  static void updateCollectionClusterSetup() throws Exception {
    String name = filled();
    refused("Distributed mode is disabled", () -> c.updateCollectionClusterSetupAsync(
        UpdateCollectionClusterSetupRequest.newBuilder().setCollectionName(name).build()).get());
  }

  static void close() throws Exception {
    new QdrantClient(QdrantGrpcClient.newBuilder("127.0.0.1", Integer.parseInt(System.getenv("KITH_GRPC_PORT")), false).build()).close();
  }

  public static void main(String[] args) throws Exception {
    c = new QdrantClient(QdrantGrpcClient.newBuilder("127.0.0.1", Integer.parseInt(System.getenv("KITH_GRPC_PORT")), false).build());
    Set<String> excluded = Files.readAllLines(Path.of(args[0])).stream().map(l -> l.split(" ")[0]).collect(Collectors.toSet());
    Map<String, Method> tests = Arrays.stream(ClientTest.class.getDeclaredMethods()).collect(Collectors.toMap(Method::getName, m -> m, (a, b) -> a));
    Set<String> names = Arrays.stream(QdrantClient.class.getDeclaredMethods()).filter(m -> Modifier.isPublic(m.getModifiers()) && !m.isSynthetic())
        .map(m -> m.getName().replaceAll("Async$", "")).collect(Collectors.toCollection(TreeSet::new));
    int passed = 0, failed = 0;
    for (String name : names) {
      Method test = tests.get(name);
      if (test == null && excluded.contains(name)) continue;
      try {
        if (test == null) throw new AssertionError("there is no test of this method");
        test.invoke(null);
        passed++;
      } catch (InvocationTargetException | AssertionError e) {
        failed++;
        System.out.println("FAILED " + name + ": " + (e.getCause() != null ? e.getCause() : e));
      }
    }
    for (String name : excluded)
      if (!names.contains(name)) {
        failed++;
        System.out.println("FAILED exclusions.txt: " + name + " is not in the client any more");
      }
    c.close();
    System.out.println(passed + " passed, " + failed + " failed");
    System.exit(failed > 0 ? 1 : 0);
  }
}
