import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Principal } from '../../domain/access/principal.ts';
import { RequestRefused } from '../errors.ts';
import type { Limit } from '../rate-limit.ts';
import { anonymous } from './authenticate.ts';
import { readForm } from './form.ts';
import type { Login } from './login.ts';
import { metadataOf } from './origin.ts';
import type { Sessions } from './sessions.ts';

export interface BrowserPorts {
  readonly sessions: Sessions;
  /** Of users alone; each is one of its own. */
  readonly sessionLogin: Login;
  readonly limit: Limit;
  identify(request: FastifyRequest): Promise<Principal>;
  configuration(): Promise<{ readonly auth_mode: string; readonly self_registration: boolean }>;
  usernameIsTaken(username: string): Promise<boolean>;
  emailIsTaken(email: string): Promise<boolean>;
}

/** Harbor's pages and forms for who logs in with a browser. All that change something need the token against forgery. */
export function browserRoutes(app: FastifyInstance, ports: BrowserPorts): void {
  const { sessions, sessionLogin, limit, identify } = ports;

  app.addHook('onRequest', async (_request, reply) => {
    reply.header('cache-control', 'no-store');
  });

  app.post('/c/login', async (request, reply) => {
    await limit(anonymous, request.ip);
    const form = await readForm(request);
    const [username, password] = [form.get('principal') ?? '', form.get('password') ?? ''];
    const loggedIn = await sessionLogin({ username, password }, metadataOf(request, anonymous));
    if (loggedIn?.subject.kind !== 'user') throw refusal(401, 'UNAUTHORIZED', 'wrong user name or password');
    await sessions.open(request, reply, loggedIn.subject);
    return reply.send();
  });

  app.get('/c/log_out', async (request, reply) => {
    await sessions.logOut(request, reply, ({ principal }) => metadataOf(request, principal));
    return reply.send();
  });

  app.post('/c/userExists', async (request, reply) => {
    const principal = await identify(request);
    await limit(principal, request.ip);
    const isAdministrator = principal.kind === 'user' && principal.administrator;
    if (!isAdministrator && !(await ports.configuration()).self_registration)
      throw refusal(
        412,
        'PRECONDITION',
        'self registration disabled, only sysadmin can check user existence',
      );
    const form = await readForm(request);
    // Who looks whether a name is free is about to register, which only a browser with a session may.
    sessions.begin(request, reply);
    const exists = await isTaken(form.get('target'), form.get('value') ?? '');
    return reply.type('application/json; charset=utf-8').send(JSON.stringify(exists));
  });

  async function isTaken(target: string | null, value: string): Promise<boolean> {
    // Nobody is called so, and no query takes it.
    if (value === '' || value.includes('\0')) return false;
    switch (target) {
      case 'username':
        return ports.usernameIsTaken(value);
      case 'email':
        return ports.emailIsTaken(value);
      default:
        throw refusal(400, 'BAD_REQUEST', 'the target is username or email');
    }
  }

  for (const path of ['/c/oidc/login', '/c/oidc/callback', '/c/oidc/logout'])
    app.get(path, async () => {
      throw await notInThisMode('OIDC based');
    });
  app.post('/c/oidc/onboard', async () => {
    throw await notInThisMode('OIDC based');
  });
  app.get('/c/authproxy/redirect', async () => {
    throw await notInThisMode('that of an authenticating proxy');
  });

  const notInThisMode = async (what: string): Promise<RequestRefused> =>
    refusal(412, 'PRECONDITION', `Auth Mode: ${(await ports.configuration()).auth_mode} is not ${what}.`);
}

const refusal = (status: number, code: string, message: string): RequestRefused =>
  new RequestRefused({ status, code, message });
