import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { codeOf, SendFailure } from './connection.ts';
import type { Answered, WebhookRequest } from './port.ts';

const maxHeaderBytes = 16 * 1024;
const maxHeaders = 50;
const maxHeaderLength = 1024;
const maxBodyBytes = 64 * 1024;
/** Answers such as `100 Continue` before the one that counts. */
const maxInterim = 10;

export type Exchanged = Pick<Answered, 'status' | 'headers' | 'body' | 'isWhole'>;

/**
 * Sends a request through an open connection, reads the answer as far as it is kept, and ends the connection.
 * @param over ends it; what has come of a body by then is the answer's
 * @param onFirstByte called when the status has come
 * @throws SendFailure `reset`, `malformed-answer`, `too-large-header`, `timeout`
 */
export function exchange(
  socket: Socket,
  url: URL,
  { headers, body }: Pick<WebhookRequest, 'headers' | 'body'>,
  over: AbortSignal,
  onFirstByte: () => void,
): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({
      createConnection: () => socket,
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      setHost: false,
      headers: { host: url.host, ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' },
      maxHeaderSize: maxHeaderBytes,
      insecureHTTPParser: false,
    });
    let interim = 0;
    let isAnswered = false;
    const end = () => {
      over.removeEventListener('abort', abort);
      socket.destroy();
    };
    const fail = (error: unknown) => {
      end();
      if (!isAnswered) reject(failureOf(error));
    };
    const abort = () => fail(new SendFailure('timeout', 'there was no answer in time'));
    over.addEventListener('abort', abort, { once: true });
    sent.on('error', fail);
    sent.on('close', () => fail(new SendFailure('reset', 'the connection was closed before an answer came')));
    sent.on('information', () => {
      interim += 1;
      if (interim > maxInterim)
        fail(new SendFailure('malformed-answer', 'there was no end of interim answers'));
    });
    sent.on('response', (answer) => {
      isAnswered = true;
      onFirstByte();
      void bodyOf(answer, over).then((read) => {
        end();
        resolve({ status: answer.statusCode ?? 0, headers: headersOf(answer), ...read });
      });
    });
    if (over.aborted) abort();
    else sent.end(body);
  });
}

const failureOf = (error: unknown): SendFailure => {
  if (error instanceof SendFailure) return error;
  const code = codeOf(error);
  if (code === 'HPE_HEADER_OVERFLOW')
    return new SendFailure('too-large-header', 'the header of the answer is too large', error);
  if (code.startsWith('HPE_'))
    return new SendFailure('malformed-answer', `the answer is no HTTP: ${code}`, error);
  return new SendFailure('reset', `the connection ended before an answer came: ${code}`, error);
};

/** What has come of the body when it ends, is enough, or is over: the status is known by then, whatever becomes of it. */
async function bodyOf(
  answer: IncomingMessage,
  over: AbortSignal,
): Promise<Pick<Exchanged, 'body' | 'isWhole'>> {
  const parts: Buffer[] = [];
  let length = 0;
  const stop = () => answer.destroy();
  over.addEventListener('abort', stop, { once: true });
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      parts.push(part.subarray(0, maxBodyBytes - length));
      length += part.length;
      if (length > maxBodyBytes) break;
    }
  } catch {
    // Cut short, or no HTTP any more: what came before that is told.
  } finally {
    over.removeEventListener('abort', stop);
  }
  return { body: Buffer.concat(parts), isWhole: answer.complete && length <= maxBodyBytes };
}

const headersOf = ({ headersDistinct }: IncomingMessage): Exchanged['headers'] =>
  Object.fromEntries(
    Object.entries(headersDistinct)
      .slice(0, maxHeaders)
      .map(([name, values = []]) => [
        name.slice(0, maxHeaderLength),
        values.join(', ').slice(0, maxHeaderLength),
      ]),
  );
