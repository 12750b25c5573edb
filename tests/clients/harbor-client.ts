import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { password } from '../http/api-client.ts';
import type { TestServer } from '../server.ts';
import { requireTool } from '../tool.ts';

/** What Harbor's generated client made of an answer. */
export interface ClientAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a body holds is what the test is about.
  readonly payload: any;
  readonly location?: string;
  readonly total?: number;
  readonly link?: string;
}

/** The parameters of an operation, named as in Go: `{ ProjectNameOrID: 'library', Role: { role_id: 2 } }`. */
export type Params = Readonly<Record<string, unknown>>;

/**
 * Calls operations by their names in Go; `as` is a user of the tests or `<name>:<password>`, `''`
 * anonymous, without it the administrator.
 */
export interface HarborClient {
  /** Rejects where the client cannot read the answer, as where Harbor's document does not have its status. */
  ask(operation: string, params?: Params, as?: string): Promise<ClientAnswer>;
  /** The body of an answer with the status 200. */
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  get(operation: string, params?: Params, as?: string): Promise<any>;
  /** The id at the end of the Location of an answer with the status 201. */
  create(operation: string, params?: Params, as?: string): Promise<number>;
  /** The status of an answer. */
  status(operation: string, params?: Params, as?: string): Promise<number>;
}

/** Undefined, and the test skipped, where the client's program is not on this machine; see `requireTool`. */
export async function startHarborClient(
  t: TestContext,
  server: TestServer,
): Promise<HarborClient | undefined> {
  const program = requireTool(t, 'harbor-client');
  if (program === undefined) return undefined;
  const child = spawn(program, { env: {}, stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  // A program that has ended says why by itself.
  child.stdin.on('error', (error) => t.diagnostic(`the client left its input: ${error.message}`));
  const ended = once(child, 'close');
  t.after(async () => {
    child.stdin.end();
    await ended;
  });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

  async function ask(operation: string, params: Params = {}, as?: string): Promise<ClientAnswer> {
    const credentials = as === undefined ? { username: 'admin', password: server.password } : of(as);
    child.stdin.write(`${JSON.stringify({ url: server.url, ...credentials, operation, params })}\n`);
    const { value: line, done } = await answers.next();
    if (done) throw new Error(`the client ended: ${complaint}`);
    const { status, value, error } = JSON.parse(line);
    if (error !== undefined) throw new Error(`${operation}: ${error}\n${line}`);
    const { Payload: payload, Location: location, XTotalCount: total, Link: link } = value;
    return { status, payload, location, total, link };
  }

  async function expect(status: number, ...call: Parameters<HarborClient['ask']>): Promise<ClientAnswer> {
    const answer = await ask(...call);
    if (answer.status !== status) throw new Error(`${call[0]} was answered ${JSON.stringify(answer)}`);
    return answer;
  }

  return {
    ask,
    get: async (...call) => (await expect(200, ...call)).payload,
    create: async (...call) => Number((await expect(201, ...call)).location?.split('/').at(-1)),
    status: async (...call) => (await ask(...call)).status,
  };
}

function of(as: string): { readonly username: string; readonly password: string } {
  const [username = '', secret = password] = as.split(':');
  return { username, password: secret };
}
