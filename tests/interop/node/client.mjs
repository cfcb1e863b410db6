// Soutu's main calls from Node.js: node client.mjs HOST:PORT PROTOS PICTURE OTHER_PICTURE
//
// The contract is loaded from the protos as they are; nothing is generated. Prints one JSON object: what each
// step saw. tests/interop/test_node.py runs it against a real server and looks at that.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const [address, protos, ...pictures] = process.argv.slice(2);
const [picture, other] = pictures.map((file) => readFileSync(file));
const DEADLINE_MS = 20_000;

const definition = loadSync(
  ['search', 'image_service', 'collection_service', 'model_service'].map((name) => `soutu/v1/${name}.proto`),
  { includeDirs: [protos], keepCase: false, longs: String, enums: String, defaults: true, oneofs: true },
);
const { soutu } = grpc.loadPackageDefinition(definition);

/** A service's unary calls as promises with a deadline; streams stay as grpc-js has them. */
function connected(Service) {
  const client = new Service(address, grpc.credentials.createInsecure());
  const call = (method) => (request) =>
    promisify(client[method].bind(client))(request, { deadline: Date.now() + DEADLINE_MS });
  return { client, call };
}

const images = connected(soutu.v1.ImageService);
const collections = connected(soutu.v1.CollectionService);
const searches = connected(soutu.v1.SearchService);
const models = connected(soutu.v1.ModelService);

const status = protobuf.loadSync(join(protos, 'google/rpc/status.proto'), rooted()).lookupType('google.rpc.Status');
const ErrorInfo = new protobuf.Type('ErrorInfo')
  .add(new protobuf.Field('reason', 1, 'string'))
  .add(new protobuf.Field('domain', 2, 'string'))
  .add(new protobuf.MapField('metadata', 3, 'string', 'string'));

/** protobufjs looks for imports beside the importing file; ours lie below one root. */
function rooted() {
  const root = new protobuf.Root();
  const beside = root.resolvePath.bind(root);
  root.resolvePath = (origin, target) =>
    target.startsWith('google/rpc/') ? join(protos, target) : beside(origin, target);
  return root;
}

/** What an error of the service says to programs: its status, and the reason of its ErrorInfo. */
function told(error) {
  const [packed] = error.metadata.get('grpc-status-details-bin');
  const info = ErrorInfo.decode(status.decode(packed).details[0].value);
  return { status: grpc.status[error.code], reason: info.reason, domain: info.domain, metadata: info.metadata };
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return told(error);
  }
  throw new Error('the call was to be refused');
}

/** Uploads in pieces, as one does with files that do not fit into memory. */
function streamed(upload, bytes, pieceBytes = 16 * 1024) {
  return new Promise((resolve, reject) => {
    const call = images.client.streamUploadImage({ deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
    call.write({ upload });
    for (let start = 0; start < bytes.length; start += pieceBytes) {
      call.write({ chunk: bytes.subarray(start, start + pieceBytes) });
    }
    call.end();
  });
}

async function downloaded(name) {
  const pieces = [];
  for await (const message of images.client.downloadImage({ name }, { deadline: Date.now() + DEADLINE_MS })) {
    if (message.part === 'chunk') pieces.push(message.chunk);
  }
  return Buffer.concat(pieces);
}

const names = (answer) => answer.matches.map((match) => match.image.name);
const search = (parts, rest = {}) => searches.call('search')({ collection: parent, parts, ...rest });

const parent = 'collections/node';
const seen = {};

seen.created = (await collections.call('createCollection')({ collectionId: 'node' })).name;
const first = await images.call('uploadImage')({
  parent,
  imageId: 'first',
  content: picture,
  image: { title: '搜图', tags: ['one', 'two'] },
});
seen.uploaded = [first.image.name, first.image.title, first.created];
const second = await streamed({ parent, imageId: 'second' }, other);
seen.streamed = second.image.name;
const minRevision = second.receipt.revision;

seen.byImage = names(await search([{ image: picture }], { minRevision, pageSize: 2 }));
const { model } = await collections.call('getCollection')({ name: parent });
const { models: known } = await models.call('listModels')({});
const embedded = await searches.call('embed')({ model, inputs: [{ image: other }] });
const { values } = embedded.vectors[0];
seen.dimension = [known.find((each) => each.name === model).dimension, values.length];
seen.byVector = names(await search([{ vector: { values } }], { pageSize: 1 }));
seen.byStored = names(await search([{ storedImage: `${parent}/images/first` }]));
seen.filtered = names(await search([{ image: other }], { filter: 'tags:one' }));
seen.got = (await images.call('getImage')({ name: `${parent}/images/first` })).tags;
seen.listed = (await images.call('listImages')({ parent })).images.map((image) => image.name);
seen.counted = (await images.call('countImages')({ parent })).count;
seen.downloadedWhole = (await downloaded(`${parent}/images/second`)).equals(other);

seen.noPicture = await refusal(search([{ image: Buffer.from('no picture') }]));
seen.wrongDimension = await refusal(search([{ vector: { values: [1, 2, 3] } }]));
seen.badFilter = await refusal(search([{ image: picture }], { filter: 'tags:' }));
seen.noCollection = await refusal(collections.call('getCollection')({ name: 'collections/none' }));
seen.taken = await refusal(images.call('uploadImage')({ parent, imageId: 'first', content: other }));

await images.call('deleteImage')({ name: `${parent}/images/first` });
seen.afterDeletion = names(await search([{ image: picture }]));
seen.gone = await refusal(images.call('getImage')({ name: `${parent}/images/first` }));
seen.notEmpty = await refusal(collections.call('deleteCollection')({ name: parent }));
await collections.call('deleteCollection')({ name: parent, force: true });
seen.left = (await collections.call('listCollections')({})).collections.map((each) => each.name);

console.log(JSON.stringify(seen));
for (const { client } of [images, collections, searches, models]) client.close();
