import type { FastifyRequest } from 'fastify';
import { actorOf, type Principal } from '../../domain/access/principal.ts';
import type { Metadata } from '../../domain/event.ts';

/** What events say of the request that led to them. */
export function metadataOf(request: FastifyRequest, principal: Principal, traceparent?: string): Metadata {
  const userAgent = request.headers['user-agent'];
  return {
    actor: actorOf(principal),
    requestId: request.id,
    correlationId: request.id,
    clientIp: request.ip,
    ...(userAgent !== undefined && { userAgent: userAgent.slice(0, 512) }),
    ...(traceparent !== undefined && { traceparent }),
  };
}
