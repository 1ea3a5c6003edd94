//! Every public method of the official Rust client against a running server. Their names come as arguments, as they were read
//! from the source of the crate; each has a check of that name that asserts what comes back.
use ::qdrant_client::qdrant::{points_selector::PointsSelectorOneOf, r#match::MatchValue, vectors_output::VectorsOptions, *};
use ::qdrant_client::{Payload, Qdrant};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

type Outcome = Result<(), Box<dyn std::error::Error>>;

static MADE: AtomicUsize = AtomicUsize::new(0);

fn fresh() -> String {
    format!("rust{}", MADE.fetch_add(1, Ordering::Relaxed))
}

fn plain(size: u64) -> VectorParamsBuilder {
    VectorParamsBuilder::new(size, Distance::Dot)
}

fn payload(n: i64) -> Payload {
    Payload::try_from(serde_json(n)).unwrap()
}

fn serde_json(n: i64) -> std::collections::HashMap<String, Value> {
    [("n".to_string(), Value::from(n)), ("tag".to_string(), Value::from(if n % 2 == 0 { "a" } else { "b" }))].into()
}

/// 20 points: vector {i, 1}, payload n: i, tag: a or b
async fn filled(c: &Qdrant) -> Result<String, Box<dyn std::error::Error>> {
    let name = fresh();
    c.create_collection(CreateCollectionBuilder::new(&name).vectors_config(plain(2))).await?;
    let points: Vec<_> = (0..20).map(|i| PointStruct::new(i as u64, vec![i as f32, 1.0], payload(i))).collect();
    c.upsert_points(UpsertPointsBuilder::new(&name, points).wait(true)).await?;
    Ok(name)
}

fn tagged(tag: &str) -> Filter {
    Filter::must([Condition::matches("tag", MatchValue::Keyword(tag.to_string()))])
}

fn ids(points: &[ScoredPoint]) -> Vec<u64> {
    points.iter().map(|p| number(p.id.as_ref().unwrap())).collect()
}

fn number(id: &PointId) -> u64 {
    match id.point_id_options {
        Some(point_id::PointIdOptions::Num(n)) => n,
        _ => panic!("not a number: {id:?}"),
    }
}

async fn one(c: &Qdrant, name: &str, i: u64) -> Result<RetrievedPoint, Box<dyn std::error::Error>> {
    let got = c.get_points(GetPointsBuilder::new(name, vec![i.into()]).with_payload(true).with_vectors(true)).await?;
    Ok(got.result.into_iter().next().ok_or("no such point")?)
}

fn vector_of(p: &RetrievedPoint) -> Vec<f32> {
    match p.vectors.as_ref().and_then(|v| v.vectors_options.as_ref()) {
        Some(VectorsOptions::Vector(v)) => match v.clone().into_vector() {
            vector_output::Vector::Dense(d) => d.data,
            other => panic!("{other:?}"),
        },
        _ => vec![],
    }
}

async fn count_of(c: &Qdrant, name: &str) -> Result<u64, Box<dyn std::error::Error>> {
    Ok(c.count(CountPointsBuilder::new(name).exact(true)).await?.result.ok_or("no result")?.count)
}

fn example(i: u64) -> VectorExample {
    vector_example::Example::Id(i.into()).into()
}

fn only(i: u64) -> PointsSelectorOneOf {
    PointsSelectorOneOf::Points(PointsIdsList { ids: vec![i.into()] })
}

fn refused<T: std::fmt::Debug, E: std::fmt::Display>(got: Result<T, E>, why: &str) -> Outcome {
    match got {
        Ok(x) => Err(format!("was not refused: {x:?}").into()),
        Err(e) if e.to_string().contains(why) => Ok(()),
        Err(e) => Err(format!("refused otherwise: {e}").into()),
    }
}

async fn snapshots_of(c: &Qdrant, name: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(c.list_snapshots(name).await?.snapshot_descriptions.into_iter().map(|s| s.name).collect())
}

async fn full_snapshots(c: &Qdrant) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(c.list_full_snapshots().await?.snapshot_descriptions.into_iter().map(|s| s.name).collect())
}

async fn check(c: &Qdrant, method: &str) -> Outcome {
    match method {
        "health_check" => assert!(c.health_check().await?.version.starts_with("1.19.")),
        "create_collection" => {
            let name = filled(c).await?;
            refused(c.create_collection(CreateCollectionBuilder::new(&name).vectors_config(plain(2))).await, "already exists")?;
        }
        "collection_info" => {
            let info = c.collection_info(filled(c).await?).await?.result.ok_or("no result")?;
            assert_eq!((info.points_count, info.status), (Some(20), CollectionStatus::Green as i32));
        }
        "collection_cluster_info" => {
            let info = c.collection_cluster_info(filled(c).await?).await?;
            assert_eq!((info.shard_count, info.local_shards[0].points_count), (1, 20));
        }
        "collection_exists" => assert!(c.collection_exists(filled(c).await?).await? && !c.collection_exists("nowhere").await?),
        "list_collections" => {
            let name = filled(c).await?;
            assert!(c.list_collections().await?.collections.iter().any(|x| x.name == name));
        }
        "delete_collection" => {
            let name = filled(c).await?;
            assert!(c.delete_collection(&name).await?.result && !c.collection_exists(&name).await?);
        }
        "update_collection" => {
            let name = filled(c).await?;
            assert!(c.update_collection(UpdateCollectionBuilder::new(&name).hnsw_config(HnswConfigDiffBuilder::default().m(32))).await?.result);
            let config = c.collection_info(&name).await?.result.unwrap().config.unwrap();
            assert_eq!(config.hnsw_config.unwrap().m, Some(32));
        }
        "update_collection_cluster_setup" => {
            let request = UpdateCollectionClusterSetupRequestBuilder::new(filled(c).await?, update_collection_cluster_setup_request::Operation::DropReplica(Replica { shard_id: 0, peer_id: 1 }));
            refused(c.update_collection_cluster_setup(request).await, "Distributed mode is disabled")?;
        }
        "create_shard_key" => refused(c.create_shard_key(CreateShardKeyRequestBuilder::new(filled(c).await?).request(CreateShardKeyBuilder::default().shard_key(shard_key::Key::Keyword("k".into())))).await, "custom sharding")?,
        "delete_shard_key" => refused(c.delete_shard_key(DeleteShardKeyRequestBuilder::new(filled(c).await?).key(shard_key::Key::Keyword("k".into()))).await, "custom sharding")?,
        "list_shard_keys" => assert!(c.list_shard_keys(filled(c).await?).await?.shard_keys.is_empty()),
        "create_alias" => {
            let name = filled(c).await?;
            c.create_alias(CreateAliasBuilder::new(&name, format!("{name}alias"))).await?;
            assert_eq!(count_of(c, &format!("{name}alias")).await?, 20);
        }
        "rename_alias" => {
            let name = filled(c).await?;
            c.create_alias(CreateAliasBuilder::new(&name, format!("{name}one"))).await?;
            c.rename_alias(RenameAliasBuilder::new(format!("{name}one"), format!("{name}two"))).await?;
            assert_eq!(c.list_collection_aliases(&name).await?.aliases[0].alias_name, format!("{name}two"));
        }
        "delete_alias" => {
            let name = filled(c).await?;
            c.create_alias(CreateAliasBuilder::new(&name, format!("{name}gone"))).await?;
            c.delete_alias(format!("{name}gone")).await?;
            assert!(c.list_collection_aliases(&name).await?.aliases.is_empty());
        }
        "list_collection_aliases" => assert!(c.list_collection_aliases(filled(c).await?).await?.aliases.is_empty()),
        "list_aliases" => {
            let name = filled(c).await?;
            c.create_alias(CreateAliasBuilder::new(&name, format!("{name}listed"))).await?;
            assert!(c.list_aliases().await?.aliases.iter().any(|a| a.alias_name == format!("{name}listed") && a.collection_name == name));
        }
        "upsert_points" => {
            let name = filled(c).await?;
            let point = PointStruct::new("6f9619ff-8b86-d011-b42d-00cf4fc964ff", vec![1.0, 2.0], Payload::new());
            let done = c.upsert_points(UpsertPointsBuilder::new(&name, vec![point])).await?.result.unwrap();
            assert_eq!(done.status, UpdateStatus::Acknowledged as i32);
            let p = one(c, &name, 7).await?;
            assert_eq!((vector_of(&p), p.payload["n"].as_integer()), (vec![7.0, 1.0], Some(7)));
        }
        "upsert_points_chunked" => {
            let name = filled(c).await?;
            let points: Vec<_> = (100..300).map(|i| PointStruct::new(i as u64, vec![i as f32, 1.0], payload(i))).collect();
            c.upsert_points_chunked(UpsertPointsBuilder::new(&name, points).wait(true), 64).await?;
            assert_eq!(count_of(c, &name).await?, 220);
        }
        "delete_points" => {
            let name = filled(c).await?;
            c.delete_points(DeletePointsBuilder::new(&name).points(tagged("a")).wait(true)).await?;
            assert_eq!(count_of(c, &name).await?, 10);
        }
        "get_points" => {
            let got = c.get_points(GetPointsBuilder::new(filled(c).await?, vec![3.into(), 99.into(), 5.into()])).await?.result;
            assert_eq!(got.iter().map(|p| number(p.id.as_ref().unwrap())).collect::<Vec<_>>(), [3, 5]);
        }
        "scroll" => {
            let got = c.scroll(ScrollPointsBuilder::new(filled(c).await?).limit(12)).await?;
            assert_eq!((got.result.len(), number(&got.next_page_offset.unwrap())), (12, 12));
        }
        "count" => {
            let name = filled(c).await?;
            let n = c.count(CountPointsBuilder::new(&name).filter(tagged("b")).exact(true)).await?.result.unwrap().count;
            assert_eq!((n, count_of(c, &name).await?), (10, 20));
        }
        "update_points_batch" => {
            use points_update_operation::{ClearPayload, Operation};
            let name = filled(c).await?;
            let clear = PointsUpdateOperation { operation: Some(Operation::ClearPayload(ClearPayload { points: Some(PointsSelector { points_selector_one_of: Some(only(4)) }), ..Default::default() })) };
            assert_eq!(c.update_points_batch(UpdateBatchPointsBuilder::new(&name, vec![clear]).wait(true)).await?.result.len(), 1);
            assert!(one(c, &name, 4).await?.payload.is_empty());
        }
        "update_vectors" => {
            let name = filled(c).await?;
            let point = PointVectors { id: Some(1.into()), vectors: Some(vec![9.0, 9.0].into()) };
            c.update_vectors(UpdatePointVectorsBuilder::new(&name, vec![point]).wait(true)).await?;
            assert_eq!(vector_of(&one(c, &name, 1).await?), [9.0, 9.0]);
        }
        "delete_vectors" => {
            let name = filled(c).await?;
            c.delete_vectors(DeletePointVectorsBuilder::new(&name).points_selector(only(1)).vectors(VectorsSelector { names: vec!["".into()] }).wait(true)).await?;
            assert!(vector_of(&one(c, &name, 1).await?).is_empty());
        }
        "set_payload" => {
            let name = filled(c).await?;
            let more: Payload = std::collections::HashMap::from([("x".to_string(), Value::from(true))]).into();
            c.set_payload(SetPayloadPointsBuilder::new(&name, more).points_selector(only(1)).wait(true)).await?;
            assert_eq!(one(c, &name, 1).await?.payload.len(), 3);
        }
        "overwrite_payload" => {
            let name = filled(c).await?;
            let other: Payload = std::collections::HashMap::from([("x".to_string(), Value::from(1.5))]).into();
            c.overwrite_payload(SetPayloadPointsBuilder::new(&name, other).points_selector(only(1)).wait(true)).await?;
            assert_eq!(one(c, &name, 1).await?.payload["x"].as_double(), Some(1.5));
        }
        "delete_payload" => {
            let name = filled(c).await?;
            c.delete_payload(DeletePayloadPointsBuilder::new(&name, vec!["n".into()]).points_selector(tagged("a")).wait(true)).await?;
            assert_eq!((one(c, &name, 2).await?.payload.len(), one(c, &name, 3).await?.payload.len()), (1, 2));
        }
        "clear_payload" => {
            let name = filled(c).await?;
            c.clear_payload(ClearPayloadPointsBuilder::new(&name).points(only(2)).wait(true)).await?;
            assert!(one(c, &name, 2).await?.payload.is_empty());
        }
        "create_field_index" | "delete_field_index" => {
            let name = filled(c).await?;
            c.create_field_index(CreateFieldIndexCollectionBuilder::new(&name, "tag", FieldType::Keyword).wait(true)).await?;
            let schema = c.collection_info(&name).await?.result.unwrap().payload_schema;
            assert_eq!(schema["tag"].data_type, PayloadSchemaType::Keyword as i32);
            c.delete_field_index(DeleteFieldIndexCollectionBuilder::new(&name, "tag").wait(true)).await?;
            assert!(c.collection_info(&name).await?.result.unwrap().payload_schema.is_empty());
        }
        "create_vector_name" | "delete_vector_name" => {
            let name = fresh();
            let mut named = VectorsConfigBuilder::default();
            named.add_named_vector_params("a", plain(2));
            c.create_collection(CreateCollectionBuilder::new(&name).vectors_config(named)).await?;
            let late = DenseVectorCreationConfig { size: 5, distance: Distance::Euclid as i32, ..Default::default() };
            c.create_vector_name(CreateVectorNameRequest { collection_name: name.clone(), vector_name: "late".into(), vector_config: Some(create_vector_name_request::VectorConfig::DenseConfig(late)), ..Default::default() }).await?;
            c.delete_vector_name(DeleteVectorNameRequest { collection_name: name.clone(), vector_name: "a".into(), ..Default::default() }).await?;
            let shown = format!("{:?}", c.collection_info(&name).await?.result.unwrap().config.unwrap().params.unwrap().vectors_config);
            assert!(shown.contains("\"late\"") && shown.contains("size: 5") && !shown.contains("\"a\""), "{shown}");
        }
        "query" => {
            let got = c.query(QueryPointsBuilder::new(filled(c).await?).query(vec![1.0, 0.0]).limit(2).with_payload(true)).await?.result;
            assert_eq!((ids(&got), got[0].score, got[0].payload["tag"].as_str().unwrap().as_str()), (vec![19, 18], 19.0, "b"));
        }
        "query_batch" => {
            let name = filled(c).await?;
            let asked: Vec<QueryPoints> = vec![QueryPointsBuilder::new(&name).query(vec![1.0, 0.0]).limit(1).build(), QueryPointsBuilder::new(&name).query(vec![-1.0, 0.0]).limit(2).build()];
            let got = c.query_batch(QueryBatchPointsBuilder::new(&name, asked)).await?.result;
            assert_eq!((ids(&got[0].result), ids(&got[1].result)), (vec![19], vec![0, 1]));
        }
        "query_groups" => {
            let got = c.query_groups(QueryPointGroupsBuilder::new(filled(c).await?, "tag").query(vec![1.0, 0.0]).limit(2u64).group_size(2u64)).await?;
            assert_eq!(got.result.unwrap().groups.iter().map(|g| ids(&g.hits)).collect::<Vec<_>>(), [[19, 17], [18, 16]]);
        }
        "search_points" => {
            let got = c.search_points(SearchPointsBuilder::new(filled(c).await?, vec![1.0, 0.0], 3)).await?.result;
            assert_eq!(ids(&got), [19, 18, 17]);
        }
        "search_batch_points" => {
            let name = filled(c).await?;
            let got = c.search_batch_points(SearchBatchPointsBuilder::new(&name, vec![SearchPointsBuilder::new(&name, vec![-1.0, 0.0], 2).build()])).await?.result;
            assert_eq!(ids(&got[0].result), [0, 1]);
        }
        "search_groups" => {
            let got = c.search_groups(SearchPointGroupsBuilder::new(filled(c).await?, vec![1.0, 0.0], 2, "tag", 1)).await?;
            assert_eq!(got.result.unwrap().groups.iter().map(|g| ids(&g.hits)).collect::<Vec<_>>(), [[19], [18]]);
        }
        "search_matrix_pairs" => {
            let got = c.search_matrix_pairs(SearchMatrixPointsBuilder::new(filled(c).await?).sample(5u64).limit(2u64)).await?.result.unwrap();
            assert!(got.pairs.len() == 10 && got.pairs.iter().all(|p| p.score == (number(p.a.as_ref().unwrap()) * number(p.b.as_ref().unwrap()) + 1) as f32));
        }
        "search_matrix_offsets" => {
            let got = c.search_matrix_offsets(SearchMatrixPointsBuilder::new(filled(c).await?).sample(5u64).limit(2u64)).await?.result.unwrap();
            assert_eq!((got.ids.len(), got.scores.len(), got.offsets_row.len()), (5, 10, 10));
        }
        "recommend" => {
            let got = c.recommend(RecommendPointsBuilder::new(filled(c).await?, 2).add_positive(19u64)).await?.result;
            assert_eq!(ids(&got), [18, 17]);
        }
        "recommend_batch" => {
            let name = filled(c).await?;
            let got = c.recommend_batch(RecommendBatchPointsBuilder::new(&name, vec![RecommendPointsBuilder::new(&name, 1).add_positive(19u64).build()])).await?.result;
            assert_eq!(ids(&got[0].result), [18]);
        }
        "recommend_groups" => {
            let got = c.recommend_groups(RecommendPointGroupsBuilder::new(filled(c).await?, "tag", 1, 2).add_positive(19u64)).await?;
            assert_eq!(got.result.unwrap().groups[0].hits.len(), 1);
        }
        "discover" | "discover_batch" => {
            let name = filled(c).await?;
            let pair = ContextExamplePair { positive: Some(example(19)), negative: Some(example(0)) };
            let target = TargetVector { target: Some(target_vector::Target::Single(example(10))) };
            let asked = DiscoverPointsBuilder::new(&name, vec![pair], 3).target(target).build();
            assert_eq!(ids(&c.discover(asked.clone()).await?.result), [18, 17, 16]);
            assert_eq!(ids(&c.discover_batch(&DiscoverBatchPointsBuilder::new(&name, vec![asked]).build()).await?.result[0].result), [18, 17, 16]);
        }
        "facet" => {
            let name = filled(c).await?;
            c.create_field_index(CreateFieldIndexCollectionBuilder::new(&name, "tag", FieldType::Keyword).wait(true)).await?;
            let hits = c.facet(FacetCountsBuilder::new(&name, "tag")).await?.hits;
            assert_eq!(hits.iter().map(|h| h.count).collect::<Vec<_>>(), [10, 10]);
        }
        "create_snapshot" | "list_snapshots" | "delete_snapshot" => {
            let name = filled(c).await?;
            let made = c.create_snapshot(&name).await?.snapshot_description.unwrap();
            assert!(made.size > 0 && snapshots_of(c, &name).await? == [made.name.clone()]);
            c.delete_snapshot(DeleteSnapshotRequestBuilder::new(&name, &made.name)).await?;
            assert!(snapshots_of(c, &name).await?.is_empty());
        }
        "create_full_snapshot" | "list_full_snapshots" | "delete_full_snapshot" => {
            let made = c.create_full_snapshot().await?.snapshot_description.unwrap().name;
            assert!(full_snapshots(c).await?.contains(&made));
            c.delete_full_snapshot(&made).await?;
            assert!(!full_snapshots(c).await?.contains(&made));
        }
        _ => return Err("there is no check of this method".into()),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let port = std::env::var("KITH_GRPC_PORT").unwrap();
    let c = Qdrant::from_url(&format!("http://127.0.0.1:{port}")).build().unwrap();
    let (mut passed, mut failed) = (0, 0);
    for method in std::env::args().skip(1) {
        let run: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(check(&c, &method));
        match run.await {
            Ok(()) => passed += 1,
            Err(e) => {
                failed += 1;
                println!("FAILED {method}: {e}");
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    std::process::exit((failed > 0) as i32);
}
