import { setImmediate } from 'node:timers/promises';
import type * as streams from '@eventstore/db-client/generated/streams_pb.js';
import { Metadata, type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import { shared_pb, streams_pb } from './messages.ts';
import type { Appended, Expected, ProposedEvent, Store, StoredEvent } from './store.ts';

type AppendReq = streams.AppendReq;
type AppendResp = streams.AppendResp;

/** `Streams/Append`: the options first and then one message an event; the answer comes when the client has ended. */
export const append =
  (store: Store, maxAppendBytes: number) =>
  (call: ServerReadableStream<AppendReq, AppendResp>, answer: sendUnaryData<AppendResp>): void => {
    let options: streams.AppendReq.Options | undefined;
    const events: ProposedEvent[] = [];
    let bytes = 0;
    call.on('error', () => undefined);
    call.on('data', (request: AppendReq) => {
      options ??= request.getOptions();
      const message = request.getProposedMessage();
      if (message === undefined || bytes > maxAppendBytes) return;
      const event = proposed(message);
      bytes += event.data.length + event.metadata.length + 2 * event.type.length;
      events.push(event);
      if (bytes > maxAppendBytes) answer(tooLarge(maxAppendBytes));
    });
    call.on('end', async () => {
      // grpc-js reports the end also when the connection breaks in the middle of the request, and only then that it was
      // cancelled; the real server does not take half an append for a whole one.
      await setImmediate();
      if (options === undefined || call.cancelled || bytes > maxAppendBytes) return;
      const name = options.getStreamIdentifier()?.getStreamName_asU8() ?? new Uint8Array();
      const stream = Buffer.from(name).toString('utf8');
      const expected = expectedBy(options);
      answer(null, answerOf(await store.append(stream, expected, events), expected));
    });
  };

function proposed(message: streams.AppendReq.ProposedMessage): ProposedEvent {
  const fields = message.getMetadataMap();
  return {
    id: message.getId()?.getString() ?? '',
    type: fields.get('type') ?? '',
    contentType: fields.get('content-type') ?? '',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  };
}

function tooLarge(maxAppendBytes: number) {
  const metadata = new Metadata();
  metadata.set('exception', 'maximum-append-size-exceeded');
  metadata.set('maximum-append-size', String(maxAppendBytes));
  return {
    code: status.INVALID_ARGUMENT,
    details: `Maximum Append Size of ${maxAppendBytes} Exceeded.`,
    metadata,
  };
}

function expectedBy(options: streams.AppendReq.Options): Expected {
  if (options.hasAny()) return 'any';
  if (options.hasNoStream()) return 'no_stream';
  return options.hasStreamExists() ? 'stream_exists' : Number(options.getRevision());
}

function answerOf(appended: Appended, expected: Expected): AppendResp {
  const answer = new streams_pb.AppendResp();
  return appended.outcome === 'appended'
    ? answer.setSuccess(success(appended.last))
    : answer.setWrongExpectedVersion(wrongExpectedVersion(appended.current, expected));
}

function success({ revision, position }: StoredEvent): streams.AppendResp.Success {
  const place = new streams_pb.AppendResp.Position()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position));
  return new streams_pb.AppendResp.Success().setCurrentRevision(String(revision)).setPosition(place);
}

function wrongExpectedVersion(
  current: number | undefined,
  expected: Expected,
): streams.AppendResp.WrongExpectedVersion {
  const wrong = new streams_pb.AppendResp.WrongExpectedVersion();
  const empty = new shared_pb.Empty();
  if (current === undefined) wrong.setCurrentNoStream(empty);
  else wrong.setCurrentRevision(String(current));
  if (expected === 'any') wrong.setExpectedAny(empty);
  else if (expected === 'stream_exists') wrong.setExpectedStreamExists(empty);
  else if (expected === 'no_stream') wrong.setExpectedNoStream(empty);
  else wrong.setExpectedRevision(String(expected));
  return wrong;
}
