import { fileURLToPath } from 'node:url';
import type * as gossip from '@eventstore/db-client/generated/gossip_pb.js';
import type * as features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { append } from './eventstoredb-peer/append.ts';
import {
  gossip_grpc_pb,
  gossip_pb,
  serverfeatures_grpc_pb,
  serverfeatures_pb,
  streams_grpc_pb,
} from './eventstoredb-peer/messages.ts';
import { read } from './eventstoredb-peer/read.ts';
import { Store } from './eventstoredb-peer/store.ts';

/** As the real server, unless it is set otherwise. */
const defaultMaxAppendBytes = 1024 * 1024;

/**
 * A server that speaks the part of EventStoreDB's protocol which the event log uses, without TLS or users:
 * `node eventstoredb-peer.ts <folder> <port> [maxAppendBytes]`. It keeps its events in `folder`, prints its port when
 * it is ready, and ends with its standard input.
 */
async function servePeer(folder: string, port: number, maxAppendBytes: number): Promise<number> {
  const store = await Store.open(folder);
  await addNeighbours(store);
  const server = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
  let own = port;
  server.addService(streams_grpc_pb.StreamsService, {
    append: withNeighbours(store, append(store, maxAppendBytes)),
    read: read(store),
  });
  server.addService(serverfeatures_grpc_pb.ServerFeaturesService, {
    getSupportedMethods: (_: unknown, answer: sendUnaryData<features.SupportedMethods>) =>
      answer(null, supportedMethods()),
  });
  server.addService(gossip_grpc_pb.GossipService, {
    read: (_: unknown, answer: sendUnaryData<gossip.ClusterInfo>) => answer(null, clusterOf(own)),
  });
  own = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return own;
}

/** What others keep on the server: `$all` holds it between the events of the log. */
async function addNeighbours(store: Store): Promise<void> {
  for (const stream of ['$stats-127.0.0.1:2113', '$$shiplog-settings', 'shiplo', 'invoice-1'])
    await store.append(stream, 'any', [
      {
        id: crypto.randomUUID(),
        type: stream.startsWith('$') ? '$statsCollected' : 'InvoiceSent',
        contentType: 'application/json',
        data: Buffer.from(JSON.stringify({ stream, at: Date.now() })),
        metadata: new Uint8Array(),
      },
    ]);
}

/** Every fifth append brings events of others with it. */
function withNeighbours(store: Store, serve: ReturnType<typeof append>): typeof serve {
  let appends = 0;
  return (call, answer) => {
    if (++appends % 5 === 0) void addNeighbours(store);
    serve(call, answer);
  };
}

/** BatchAppend is announced, as by every real server, but not there: the log must not depend on it. */
function supportedMethods(): features.SupportedMethods {
  const methods = ['append', 'batchappend', 'read'].map((name) =>
    new serverfeatures_pb.SupportedMethod()
      .setMethodName(name)
      .setServiceName('event_store.client.streams.streams'),
  );
  return new serverfeatures_pb.SupportedMethods()
    .setMethodsList(methods)
    .setEventStoreServerVersion('23.10.0');
}

function clusterOf(port: number): gossip.ClusterInfo {
  const leader = new gossip_pb.MemberInfo()
    .setState(gossip_pb.MemberInfo.VNodeState.LEADER)
    .setIsAlive(true)
    .setHttpEndPoint(new gossip_pb.EndPoint().setAddress('127.0.0.1').setPort(port));
  return new gossip_pb.ClusterInfo().setMembersList([leader]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port, maxAppendBytes] = process.argv.slice(2);
  if (folder === undefined) throw new Error('usage: eventstoredb-peer.ts <folder> <port> [maxAppendBytes]');
  process.stdin.on('end', () => process.exit()).resume();
  const bound = await servePeer(folder, Number(port ?? 0), Number(maxAppendBytes ?? defaultMaxAppendBytes));
  process.stdout.write(`${bound}\n`);
}
