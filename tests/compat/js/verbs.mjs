// Every verb of the npm client, in a row. Prints one line of JSON per step: its name and what the client gave back.
// Arguments: host and port of the server.
import { AdminClient, ChromaClient } from "chromadb";

const [host, port] = [process.argv[2], Number(process.argv[3])];
const client = new ChromaClient({ host, port });
const admin = new AdminClient({ host, port });
const plain = (value) => JSON.parse(JSON.stringify(value === undefined ? null : value));

async function step(name, act) {
  let outcome;
  try {
    outcome = { value: plain(await act()) };
  } catch (error) {
    outcome = { error: error.name };
  }
  console.log(JSON.stringify({ step: name, ...outcome }));
}

const described = (collection) => ({
  name: collection.name,
  metadata: collection.metadata,
  space: collection.configuration?.hnsw?.space,
  effort: collection.configuration?.hnsw?.ef_search,
});
const rows = (result) => ({ ids: result.ids, documents: result.documents, metadatas: result.metadatas, embeddings: result.embeddings, uris: result.uris });
const neighbours = (result) => ({ ...rows(result), distances: result.distances });

await step("heartbeat", async () => typeof (await client.heartbeat()));
await step("version", () => client.version());
await step("identity", () => client.getUserIdentity());
await step("max batch size", () => client.getMaxBatchSize());
await step("base64", () => client.supportsBase64Encoding?.());

await step("create tenant", () => admin.createTenant({ name: "js_tenant" }));
await step("get tenant", () => admin.getTenant({ name: "js_tenant" }));
await step("create database", () => admin.createDatabase({ name: "js_database", tenant: "js_tenant" }));
await step("create database again", () => admin.createDatabase({ name: "js_database", tenant: "js_tenant" }));
await step("get database", async () => (await admin.getDatabase({ name: "js_database", tenant: "js_tenant" })).name);
await step("list databases", async () => (await admin.listDatabases({ tenant: "js_tenant" })).map((each) => each.name));
await step("delete database", () => admin.deleteDatabase({ name: "js_database", tenant: "js_tenant" }));
await step("get no database", () => admin.getDatabase({ name: "js_database", tenant: "js_tenant" }));

const settings = { name: "js_books", embeddingFunction: null, metadata: { shelf: 3, open: true }, configuration: { hnsw: { space: "cosine" } } };
let books;
await step("create", async () => described((books = await client.createCollection(settings))));
await step("create again", () => client.createCollection(settings));
await step("create with a bad name", () => client.createCollection({ name: "a", embeddingFunction: null }));
await step("get", async () => described(await client.getCollection({ name: "js_books", embeddingFunction: null })));
await step("get or create", async () => described(await client.getOrCreateCollection({ name: "js_books", embeddingFunction: null })));
await step("get none", () => client.getCollection({ name: "js_nothing", embeddingFunction: null }));
await step("list", async () => (await client.listCollections()).map((each) => each.name));
await step("count collections", () => client.countCollections());

await step("add", () =>
  books.add({
    ids: ["a", "b", "c", "d"],
    embeddings: [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]],
    documents: ["The sea", "The hill", "A town", "Sea and hill"],
    metadatas: [{ year: 1990, genre: "novel" }, { year: 2001.5, genre: "poem" }, { year: 2010, tags: ["x", "y"] }, { sold: false }],
    uris: ["u:a", "u:b", "u:c", "u:d"],
  }));
await step("add what is there", () => books.add({ ids: ["a"], embeddings: [[9, 9, 9]], documents: ["other"] }));
await step("add the wrong dimension", () => books.add({ ids: ["z"], embeddings: [[1, 2]] }));
await step("count", () => books.count());
await step("peek", async () => rows(await books.peek({ limit: 2 })));
await step("get all", async () => rows(await books.get()));
await step("get by ids", async () => rows(await books.get({ ids: ["c", "a"], include: ["embeddings", "documents", "metadatas", "uris"] })));
await step("get a page", async () => rows(await books.get({ limit: 2, offset: 1, include: [] })));
for (const where of [
  { genre: "novel" },
  { year: { $gt: 1995 } },
  { $and: [{ year: { $gte: 1990 } }, { genre: { $in: ["novel", "poem"] } }] },
  { $or: [{ sold: false }, { year: { $lt: 1991 } }] },
  { genre: { $ne: "novel" } },
  { genre: { $nin: ["novel"] } },
  { tags: { $contains: "x" } },
  { tags: { $not_contains: "x" } },
  { year: "1990" },
])
  await step(`where ${JSON.stringify(where)}`, async () => (await books.get({ where })).ids);
for (const whereDocument of [
  { $contains: "Sea" },
  { $not_contains: "sea" },
  { $regex: "^The" },
  { $not_regex: "hill$" },
  { $and: [{ $contains: "hill" }, { $contains: "Sea" }] },
  { $or: [{ $contains: "town" }, { $contains: "sea" }] },
])
  await step(`whereDocument ${JSON.stringify(whereDocument)}`, async () => (await books.get({ whereDocument })).ids);
await step("a bad where", () => books.get({ where: { year: { $near: 5 } } }));

await step("query", async () => neighbours(await books.query({ queryEmbeddings: [[1, 0.1, 0]], nResults: 3 })));
await step("query two", async () => neighbours(await books.query({ queryEmbeddings: [[1, 0.1, 0], [0, 0.1, 1]], nResults: 1, include: ["distances", "uris", "embeddings"] })));
await step("query with filters", async () =>
  neighbours(await books.query({ queryEmbeddings: [[1, 0.2, 0.1]], where: { year: { $gte: 1990 } }, whereDocument: { $contains: "The" } })));
await step("query rows", async () => (await books.query({ queryEmbeddings: [[1, 0.1, 0]], nResults: 2 })).rows());
await step("query ids", async () => (await books.query({ queryEmbeddings: [[1, 0.1, 0]], ids: ["b", "c"] })).ids);
await step("query the wrong dimension", () => books.query({ queryEmbeddings: [[1]] }));

await step("update", () => books.update({ ids: ["a", "nobody"], documents: ["The deep sea", "x"], metadatas: [{ year: 1991, rating: 4.5 }, { n: 1 }] }));
await step("updated", async () => rows(await books.get({ ids: ["a"] })));
await step("upsert", () => books.upsert({ ids: ["b", "e"], embeddings: [[0, 2, 0], [1, 1, 1]], documents: ["The high hill", "New"] }));
await step("upserted", async () => rows(await books.get({ include: ["documents", "embeddings"] })));

await step("modify", () => books.modify({ name: "js_tomes", metadata: { shelf: 4 }, configuration: { hnsw: { ef_search: 50 } } }));
await step("modified", async () => described(await client.getCollection({ name: "js_tomes", embeddingFunction: null })));
await step("the old name", () => client.getCollection({ name: "js_books", embeddingFunction: null }));

await step("delete by where", () => books.delete({ where: { genre: "poem" } }));
await step("delete by ids", () => books.delete({ ids: ["a", "nobody"] }));
await step("delete by document", () => books.delete({ whereDocument: { $contains: "New" } }));
await step("left", async () => (await books.get()).ids);
await step("delete collection", () => client.deleteCollection({ name: "js_tomes" }));
await step("delete it again", () => client.deleteCollection({ name: "js_tomes" }));
await step("count of what is deleted", () => books.count());
await step("reset", () => client.reset());
await step("count after reset", () => client.countCollections());
