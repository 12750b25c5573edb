import type { FastifyInstance } from 'fastify';
import { errorBody } from './errors.ts';

/**
 * Answers what no route takes: 405 with the methods that the path has, and 404 for a path without any. To be called
 * before the first route.
 */
export function answerUnroutable(app: FastifyInstance): void {
  const routes = new Map<string, { readonly path: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { path: pathsOf(url), methods: new Set() };
    for (const name of [method].flat()) route.methods.add(name);
    routes.set(url, route);
  });

  app.setNotFoundHandler((request, reply) => {
    const { method } = request;
    const [path = ''] = request.url.split('?', 1);
    const known = [...routes.values()].filter((route) => route.path.test(path));
    const allowed = [...new Set(known.flatMap(({ methods }) => [...methods]))].sort();
    if (allowed.length === 0) {
      const message = `no route for ${method} here`;
      return reply.code(404).send(errorBody({ status: 404, code: 'UNSUPPORTED', message }));
    }
    const message = `${method} is not allowed here`;
    return reply
      .code(405)
      .header('allow', allowed.join(', '))
      .send(errorBody({ status: 405, code: 'UNSUPPORTED', message }));
  });
}

/** The paths that the pattern of a route stands for. */
function pathsOf(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    if (segment === '*') return '.*';
    return segment.includes(':') ? '[^/]+' : segment.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}$`);
}
