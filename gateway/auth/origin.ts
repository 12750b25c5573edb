import type { FastifyRequest } from 'fastify';
import { v7 } from 'uuid';
import { accessTokenOf, actorOf, type Principal } from '../../domain/access/principal.ts';
import type { Metadata } from '../../domain/event.ts';
import { RequestRefused } from '../errors.ts';

const maxReasonLength = 1000;

/** What events say of the request that led to them. @throws RequestRefused 400 for a reason that cannot be kept. */
export function metadataOf(request: FastifyRequest, principal: Principal, traceparent?: string): Metadata {
  const userAgent = request.headers['user-agent'];
  const accessToken = accessTokenOf(principal);
  return {
    actor: actorOf(principal),
    ...(accessToken !== undefined && { accessToken }),
    requestId: request.id,
    correlationId: correlationOf(request),
    clientIp: request.ip,
    ...(userAgent !== undefined && { userAgent: userAgent.slice(0, 512) }),
    ...(traceparent !== undefined && { traceparent }),
    ...operationOf(request),
    ...reasonOf(request),
  };
}

const drawn = new WeakMap<object, string>();

/**
 * What holds the events of one request together is never what the client has sent: it could give two requests one name, and
 * views take what has one id for one deed.
 */
function correlationOf({ id, headers, raw }: FastifyRequest): string {
  if (headers['x-request-id'] !== id) return id;
  let correlationId = drawn.get(raw);
  if (correlationId === undefined) {
    correlationId = v7();
    drawn.set(raw, correlationId);
  }
  return correlationId;
}

function operationOf({ routeOptions }: FastifyRequest): Pick<Metadata, 'operation'> {
  const operation = routeOptions?.config.operation?.id;
  return operation === undefined ? {} : { operation };
}

/** Any change can say why. Headers come as bytes; what is no UTF-8 is taken as it is. */
function reasonOf({ headers, method }: FastifyRequest): Pick<Metadata, 'reason'> {
  const given = headers['x-shiplog-reason'];
  if (typeof given !== 'string' || given.trim() === '' || method === 'GET' || method === 'HEAD') return {};
  const bytes = Buffer.from(given, 'latin1');
  const decoded = bytes.toString('utf8');
  const reason = (decoded.includes('\uFFFD') ? given : decoded).trim();
  if (reason.length > maxReasonLength || /\p{Cc}/u.test(reason))
    throw new RequestRefused({
      status: 400,
      code: 'BAD_REQUEST',
      message: `X-Shiplog-Reason in header has at most ${maxReasonLength} characters, all of which can be seen`,
    });
  return { reason };
}
