import type { FastifyRequest } from 'fastify';
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
    correlationId: request.id,
    clientIp: request.ip,
    ...(userAgent !== undefined && { userAgent: userAgent.slice(0, 512) }),
    ...(traceparent !== undefined && { traceparent }),
    ...operationOf(request),
    ...reasonOf(request),
  };
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
