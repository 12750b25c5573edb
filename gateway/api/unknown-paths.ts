import type { FastifyInstance } from 'fastify';
import { errorBody } from '../errors.ts';

/** Answers paths of the API that there are not, and methods that a path does not have. Before the first route. */
export function answerUnknownPaths(api: FastifyInstance): void {
  const routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  api.addHook('onRoute', ({ url, method }) => {
    const pattern = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+');
    routes.push({ pattern: new RegExp(`^${pattern}$`), methods: [method].flat() });
  });
  api.setNotFoundHandler((request, reply) => {
    const [path = ''] = request.url.split('?', 1);
    const methods = routes.filter(({ pattern }) => pattern.test(path)).flatMap((route) => route.methods);
    if (methods.length > 0)
      return reply
        .code(405)
        .header('allow', [...new Set(methods)].sort().join(', '))
        .send(errorBody({ status: 405, code: 'METHOD_NOT_ALLOWED', message: 'method not allowed' }));
    const message = `path ${path} was not found`;
    return reply.code(404).send(errorBody({ status: 404, code: 'NOT_FOUND', message }));
  });
}

/** Harbor cleans the paths of its API and its forms: clients end them with a slash, and some write two for one. */
export function cleanApiPath(url: string): string {
  if (!/^\/+(?:api|c)\//.test(url)) return url;
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  const clean = path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
  return query === -1 ? clean : clean + url.slice(query);
}
