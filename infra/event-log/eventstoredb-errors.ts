import { AccessDeniedError, isCommandError, MaxAppendSizeExceededError } from '@eventstore/db-client';
import { AppendTooLarge, LogUnavailable } from './port.ts';

/** gRPC status codes. */
const invalidArgument = 3;
const resourceExhausted = 8;

/** The port's error for what the client throws. */
export function translate(error: unknown): Error {
  if (error instanceof LogUnavailable || error instanceof AppendTooLarge) return error;
  if (error instanceof MaxAppendSizeExceededError)
    return new AppendTooLarge(`the server's MaxAppendSize is ${error.maxAppendSize} bytes`, { cause: error });
  if (isTooLarge(error))
    return new AppendTooLarge('the append is too large for the server', { cause: error });
  const reason = error instanceof Error ? error.message : String(error);
  return new LogUnavailable(`EventStoreDB cannot be reached or refuses to work: ${reason}`, { cause: error });
}

/** KurrentDB's limit of one event, which this client does not know, or gRPC's own limit of a message. */
function isTooLarge(error: unknown): boolean {
  if (!(error instanceof Error) || !isCommandError(error)) return false;
  const exception = error._raw?.metadata?.get('exception')[0]?.toString();
  return error.code === resourceExhausted || exception === 'maximum-append-event-size-exceeded';
}

/**
 * Whether the server refused to read from a position at which no event begins. Older servers have no error of its
 * own for that and name only the result of the read.
 */
export function isMisaligned(error: unknown): boolean {
  if (!(error instanceof Error) || !isCommandError(error)) return false;
  return error.code === invalidArgument || /ReadAllResult: (Error|InvalidPosition)/.test(error.message);
}

/** Whether a subscription may go on by itself when it is opened again. */
export function mayPass(error: unknown): boolean {
  return !(error instanceof AccessDeniedError) && !(error instanceof UnreadableEvent);
}

/** An event under Shiplog's prefix that Shiplog has not written, or of a server older than 22.6. */
export class UnreadableEvent extends Error {
  override readonly name = 'UnreadableEvent';
}
