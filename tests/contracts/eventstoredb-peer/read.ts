import { once } from 'node:events';
import type * as streams from '@eventstore/db-client/generated/streams_pb.js';
import { type ServerWritableStream, status } from '@grpc/grpc-js';
import { shared_pb, streams_pb } from './messages.ts';
import type { Store, StoredEvent } from './store.ts';

type Call = ServerWritableStream<streams.ReadReq, streams.ReadResp>;
type Options = streams.ReadReq.Options;

/** Commit and prepare position: in that order, as the real server compares them. */
type Place = readonly [commit: number, prepare: number];
const isBefore = (a: Place, b: Place): boolean => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
const placeOf = ({ position }: StoredEvent): Place => [position, position];

/** How many events the real server reads, or looks at for a filter, at a time. */
const pageEvents = 32;

/** `Streams/Read`: of a stream, or of `$all` once or as a subscription. */
export const read =
  (store: Store) =>
  async (call: Call): Promise<void> => {
    const options = call.request.getOptions() as Options;
    // The client hears of an error of its own making by itself.
    call.on('error', () => undefined);
    try {
      if (options.hasStream()) await readStream(store, call, options);
      else if (options.hasSubscription()) await subscribe(store, call, options);
      else await readAll(store, call, options);
      call.end();
    } catch (error) {
      if (error instanceof Gone) return;
      if (!(error instanceof InvalidPosition)) throw error;
      call.emit('error', { code: status.INVALID_ARGUMENT, details: error.message });
    }
  };

class Gone extends Error {}
class InvalidPosition extends Error {
  constructor() {
    super('Trying to read from an invalid position.');
  }
}

async function readStream(store: Store, call: Call, options: Options): Promise<void> {
  const wanted = options.getStream() as streams.ReadReq.Options.StreamOptions;
  const name = Buffer.from(wanted.getStreamIdentifier()?.getStreamName_asU8() ?? '').toString('utf8');
  const events = store.stream(name);
  if (events === undefined) {
    const missing = new streams_pb.ReadResp.StreamNotFound();
    missing.setStreamIdentifier(wanted.getStreamIdentifier());
    return send(call, new streams_pb.ReadResp().setStreamNotFound(missing));
  }
  const last = events.length - 1;
  const from = wanted.hasStart() ? 0 : wanted.hasEnd() ? last : Number(wanted.getRevision());
  const ordered = isBackwards(options) ? events.slice(0, from + 1).reverse() : events.slice(from);
  for (const event of ordered.slice(0, Number(options.getCount()))) await send(call, found(event));
}

async function readAll(store: Store, call: Call, options: Options): Promise<void> {
  const from = startOf(store, options) ?? [0, 0];
  const index = store.indexAt(from[0]);
  const ordered = isBackwards(options) ? store.all.slice(0, index).reverse() : store.all.slice(index);
  for (const event of ordered.slice(0, Number(options.getCount()))) await send(call, found(event));
}

/**
 * Sends what lies after the start, then what is appended. In catching up, a checkpoint is where the page began; so it
 * may have the commit position of an event that was not sent yet, with a lower prepare position.
 */
async function subscribe(store: Store, call: Call, options: Options): Promise<void> {
  const confirmation = new streams_pb.ReadResp.SubscriptionConfirmation().setSubscriptionId(
    crypto.randomUUID(),
  );
  await send(call, new streams_pb.ReadResp().setConfirmation(confirmation));
  const filter = options.getFilter();
  const prefixes = filter?.getStreamIdentifier()?.getPrefixList() ?? [''];
  const interval = Math.max(1, filter?.getCheckpointintervalmultiplier() ?? 1) * pageEvents;

  let place: Place | undefined = startOf(store, options);
  let index = place === undefined ? 0 : store.indexAt(place[0]);
  let considered = 0;
  for (;;) {
    const page = store.all.slice(index, index + pageEvents);
    const begin: Place | undefined = page[0] && [page[0].position, 0];
    for (const event of page) {
      if (place !== undefined && !isBefore(place, placeOf(event))) continue;
      if (!prefixes.some((prefix) => event.stream.startsWith(prefix))) continue;
      await send(call, found(event));
      place = placeOf(event);
    }
    index += page.length;
    considered += page.length;
    const caughtUp = index === store.all.length;
    if (caughtUp || considered >= interval) {
      considered = 0;
      if (begin !== undefined && (place === undefined || isBefore(place, begin))) place = begin;
      if (place !== undefined && filter !== undefined) await send(call, checkpoint(place));
    }
    if (caughtUp) await Promise.race([store.changed(), gone(call)]);
    if (call.cancelled) throw new Gone();
  }
}

const isBackwards = (options: Options): boolean =>
  options.getReadDirection() === streams_pb.ReadReq.Options.ReadDirection.BACKWARDS;

/** Undefined for the start of `$all`. @throws InvalidPosition where no record begins, as far as there are any. */
function startOf(store: Store, options: Options): Place | undefined {
  const all = options.getAll() as streams.ReadReq.Options.AllOptions;
  const end = store.all.at(-1)?.next ?? 0;
  if (all.hasEnd()) return [end, end];
  if (!all.hasPosition()) return undefined;
  const position = all.getPosition() as streams.ReadReq.Options.Position;
  const commit = Number(position.getCommitPosition());
  const event = store.all[store.indexAt(commit)];
  if (event !== undefined && event.position !== commit) throw new InvalidPosition();
  return [commit, Number(position.getPreparePosition())];
}

function found(event: StoredEvent): streams.ReadResp {
  const record = new streams_pb.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared_pb.UUID().setString(event.id))
    .setStreamIdentifier(new shared_pb.StreamIdentifier().setStreamName(Buffer.from(event.stream, 'utf8')))
    .setStreamRevision(String(event.revision))
    .setCommitPosition(String(event.position))
    .setPreparePosition(String(event.position))
    .setData(event.data)
    .setCustomMetadata(event.metadata);
  record
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', event.created);
  const entry = new streams_pb.ReadResp.ReadEvent()
    .setEvent(record)
    .setCommitPosition(String(event.position));
  return new streams_pb.ReadResp().setEvent(entry);
}

function checkpoint([commit, prepare]: Place): streams.ReadResp {
  const reached = new streams_pb.ReadResp.Checkpoint()
    .setCommitPosition(String(commit))
    .setPreparePosition(String(prepare));
  return new streams_pb.ReadResp().setCheckpoint(reached);
}

/** Resolves when the client takes more. @throws Gone when it has left. */
async function send(call: Call, message: streams.ReadResp): Promise<void> {
  if (call.cancelled) throw new Gone();
  if (call.write(message)) return;
  await Promise.race([once(call, 'drain'), gone(call)]);
  if (call.cancelled) throw new Gone();
}

const leaving = new WeakMap<Call, Promise<void>>();

function gone(call: Call): Promise<void> {
  const known = leaving.get(call);
  if (known !== undefined) return known;
  const left = new Promise<void>((resolve) => call.once('cancelled', () => resolve()));
  leaving.set(call, left);
  return left;
}
