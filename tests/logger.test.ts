import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { Secret } from '../infra/configuration/secret.ts';
import { createLogger, serializeError } from '../infra/telemetry/logger.ts';

/** A logger and the text that it has written. */
function captured(pretty: boolean) {
  const lines: string[] = [];
  const destination = {
    write(line: string) {
      lines.push(line);
      return true;
    },
  };
  return { log: createLogger({ level: 'info', pretty, destination }), lines };
}

test('a line is JSON with the level in words and the time as ISO 8601', () => {
  const { log, lines } = captured(false);
  log.warn({ repository: 'library/nginx' }, 'a manifest is missing');
  log.debug('below the level');
  assert.equal(lines.length, 1);
  const { level, time, msg, repository } = JSON.parse(lines[0] ?? '');
  assert.deepEqual([level, msg, repository], ['warn', 'a manifest is missing', 'library/nginx']);
  assert.equal(new Date(time).toISOString(), time);
});

for (const pretty of [false, true])
  test(`values under the names of secrets are hidden at any depth, ${pretty ? 'for people' : 'as JSON'}`, () => {
    const { log, lines } = captured(pretty);
    const secret = new Secret('hidden');
    log.info({
      password: 'hidden',
      secret,
      wrapped: { a: { b: { c: { dbPassword: 'hidden"hidden', plain: secret } } } },
      req: {
        headers: {
          Authorization: 'Basic hidden',
          cookie: 'sid=hidden',
          'set-cookie': ['a=hidden]', 'hidden'],
        },
      },
      token: { access: { value: 'hidden' } },
      refresh_token: 12345,
      secretKey: 'hidden\\',
      visible: 'seen',
    });
    log.child({ credentials: { token: 'hidden' } }).info('with %o', { secret });
    const written = lines.join('');
    assert.doesNotMatch(written, /hidden|12345/);
    assert.match(written, /\[secret\]/);
    assert.match(written, /seen/);
    if (!pretty) for (const line of lines) JSON.parse(line);
  });

test('what only looks like a secret within a text stays, and the line stays JSON', () => {
  const { log, lines } = captured(false);
  const body = '{"password":"x"}';
  log.info({ body, tokens: 3, token_expiration: 30, url: 'https://a/?token=b' }, 'the "token": word');
  const line = JSON.parse(lines[0] ?? '');
  assert.deepEqual([line.body, line.tokens, line.token_expiration], [body, 3, 30]);
});

test('an error is logged with its causes, and without the objects that it carries', () => {
  const { log, lines } = captured(false);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const request = { headers: { 'x-key': 'hidden' } };
  const query = Object.assign(new TypeError('the query failed', { cause: refused }), {
    request,
    position: 5n,
  });
  log.error(new Error('the push failed', { cause: query }));
  const { err, msg } = JSON.parse(lines[0] ?? '');
  assert.equal(msg, 'the push failed');
  assert.equal(err.type, 'Error');
  assert.equal(err.cause.type, 'TypeError');
  assert.equal(err.cause.position, '5');
  assert.equal(err.cause.cause.code, 'ECONNREFUSED');
  assert.match(
    err.stack,
    /the push failed.*caused by: TypeError: the query failed.*caused by: .*ECONNREFUSED/s,
  );
  assert.doesNotMatch(lines.join(), /hidden/);
});

test('errors that cause each other, chains without end and aggregates end', () => {
  const one = new Error('one');
  const two = new Error('two', { cause: one });
  one.cause = two;
  assert.match(JSON.stringify(serializeError(one)), /two/);

  let chain = new Error('0');
  for (let length = 1; length < 100; length++) chain = new Error(String(length), { cause: chain });
  assert.ok(JSON.stringify(serializeError(chain)).length < 100_000);

  const all = serializeError(new AggregateError([new Error('left'), new Error('right')], 'both')) as {
    errors: { message: string }[];
  };
  assert.deepEqual(
    all.errors.map(({ message }) => message),
    ['left', 'right'],
  );
  assert.equal(serializeError('a text that was thrown'), 'a text that was thrown');
});

test('people read a line of text, with the causes of an error', () => {
  const { log, lines } = captured(true);
  log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'it failed');
  const written = lines.join('');
  assert.match(written, /ERROR.*it failed/);
  assert.match(written, /caused by: Error: inner/);
});

test('the last line is out before the process is killed, and standard output that is no terminal gets JSON', async () => {
  const module = new URL('../infra/telemetry/logger.ts', import.meta.url).href;
  const program = `
    const { createLogger } = await import(${JSON.stringify(module)});
    createLogger({ level: 'info' }).fatal('the last words');
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  assert.equal(JSON.parse(output).msg, 'the last words');
});
