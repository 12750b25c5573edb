import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';

/** RFC 9110 section 8.3.1; the parameters after it mean nothing to a registry. */
const mediaType = /^\s*([\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+)\s*(?:;|$)/;

/**
 * Has the routes judge the Content-Type of a body: Fastify itself would refuse a malformed one with 415, where
 * clients expect that blobs are taken under any type, manifests refused in words of their own, and 404 on no route.
 */
export function leaveContentTypeToRoutes(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw;
    const { url: route } = request.routeOptions;
    const isOurs = request.is404 || route?.startsWith('/v2') === true;
    // Fastify demands a type of this method before it looks whether there is such a route, and there is none.
    if (request.method === 'QUERY') {
      headers['content-type'] = 'application/octet-stream';
      return done();
    }
    if (!isOurs || headers['content-type'] === undefined) return done();
    if (route !== '/v2/:name/manifests/:reference') {
      delete headers['content-type'];
      return done();
    }
    const [, type] = mediaType.exec(headers['content-type']) ?? [];
    if (type === undefined || countContentTypes(request) > 1) {
      const message = 'the Content-Type is one media type';
      return done(new RequestRefused({ status: 400, code: 'MANIFEST_INVALID', message }));
    }
    headers['content-type'] = type;
    done();
  });
}

const countContentTypes = ({ raw }: FastifyRequest): number =>
  raw.rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-type').length;
