import { isSpanContextValid, trace } from '@opentelemetry/api';
import { type DestinationStream, type LevelWithSilent, type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { redact } from './redact.ts';

/**
 * Writes to standard output: text for people on a terminal, JSON lines elsewhere. Both are written before the call
 * returns, so that the last words before a crash are not lost. `destination` replaces standard output.
 */
export function createLogger({
  level,
  pretty: forPeople = process.stdout.isTTY === true,
  destination,
}: {
  readonly level: LevelWithSilent;
  readonly pretty?: boolean;
  readonly destination?: DestinationStream;
}): Logger {
  const output = destination ?? pino.destination({ dest: 1, sync: true });
  const stream = forPeople ? prettyTo(output, destination === undefined && process.stdout.isTTY) : output;
  return pino(
    {
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: redact },
      mixin: traceOfNow,
    },
    stream,
  );
}

/** Without the streams of pino-pretty, in which the last lines before a crash would wait. */
function prettyTo(output: DestinationStream, colorize: boolean): DestinationStream {
  const pretty = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' });
  return { write: (line) => output.write(pretty(line)) };
}

/** Lets a line be found from its trace, and the trace from the line. */
function traceOfNow(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span !== undefined && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : {};
}

const maxCauses = 8;

/** An error as it is logged: what it says of itself, and the errors that caused it, each with its stack. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  /** With the stacks of the causes below it. */
  readonly stack: string;
  readonly cause?: LoggedError;
  readonly errors?: readonly LoggedError[];
  /** Further properties that hold a plain value: `code`, `errno`, `stream`, … */
  readonly [property: string]: unknown;
}

/**
 * Properties that are objects are left out: errors of HTTP and database clients carry requests and connections, with
 * the secrets of these. What is thrown and is no error is logged as it is.
 */
export function serializeError(thrown: unknown): unknown {
  return thrown instanceof Error ? describe(thrown, new Set()) : thrown;
}

function describe(error: Error, seen: Set<Error>): LoggedError {
  seen.add(error);
  const known = (other: unknown): other is Error =>
    other instanceof Error && !seen.has(other) && seen.size <= maxCauses;
  const cause = known(error.cause) ? describe(error.cause, seen) : undefined;
  const errors =
    error instanceof AggregateError ? error.errors.filter(known).map((one) => describe(one, seen)) : [];
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return {
    ...plainProperties(error),
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: error.message,
    stack: [own, ...(cause ? [cause] : []), ...errors]
      .map((part) => (typeof part === 'string' ? part : `caused by: ${part.stack}`))
      .join('\n'),
    ...(cause && { cause }),
    ...(errors.length > 0 && { errors }),
  };
}

function plainProperties(error: Error): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (typeof value === 'bigint') properties[key] = String(value);
    else if (['string', 'number', 'boolean'].includes(typeof value)) properties[key] = value;
  }
  return properties;
}
