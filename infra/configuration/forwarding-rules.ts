import { type Disagreement, type Partially, together } from './rules.ts';
import type { Keys } from './schema.ts';

type Target = Keys['audit']['forward'][number];

/** The keys that not every type of target has. */
const onlyFor: Readonly<Partial<Record<keyof Target, readonly Target['type'][]>>> = {
  token: ['splunk-hec', 'elasticsearch', 'otlp', 'http'],
  username: ['elasticsearch', 'otlp', 'http'],
  password: ['elasticsearch', 'otlp', 'http'],
  signing_secret: ['http'],
  index: ['splunk-hec', 'elasticsearch'],
  format: ['syslog', 'http'],
  acknowledged: ['splunk-hec'],
  gzip: ['splunk-hec', 'elasticsearch', 'otlp', 'http'],
};

const formats: Readonly<Partial<Record<Target['type'], readonly string[]>>> = {
  syslog: ['cef', 'json'],
  http: ['ndjson', 'json'],
};

/** What is wrong between the keys of a target of the audit log, or between targets. */
export function* forwardingRules({ audit }: Partially<Keys>): Iterable<Disagreement> {
  const targets: readonly (Partially<Target> | undefined)[] = Array.isArray(audit?.forward)
    ? audit.forward
    : [];
  const names = targets.map((target) => target?.name);
  for (const [nth, target] of targets.entries()) {
    const at = ['audit', 'forward', String(nth)];
    if (target?.name !== undefined && names.indexOf(target.name) < nth)
      yield { path: [...at, 'name'], message: 'a name that no other target has' };
    if (target !== undefined) yield* rulesOf(target, at);
  }
}

function* rulesOf(target: Partially<Target>, at: readonly string[]): Iterable<Disagreement> {
  const { type, url, format } = target;
  yield* together(target, 'cert', 'key', at);
  if (target.password !== undefined) yield* together(target, 'username', 'password', at);
  if (target.token !== undefined && target.username !== undefined)
    yield { path: [...at, 'username'], message: 'only one of token and username' };
  if (type === undefined) return;

  for (const [key, types] of Object.entries(onlyFor)) {
    const value = target[key as keyof Target];
    if (value !== undefined && value !== false && !types.includes(type))
      yield { path: [...at, key], message: `nothing, since type is ${type}` };
  }
  const isOfSyslog = /^(?:tcp|tls):/.test(String(url));
  if (url !== undefined && isOfSyslog !== (type === 'syslog')) {
    const schemes = type === 'syslog' ? 'tcp:// or tls://' : 'http:// or https://';
    yield { path: [...at, 'url'], message: `a URL that begins with ${schemes}, since type is ${type}` };
  }
  if (type === 'splunk-hec' && target.token === undefined)
    yield { path: [...at, 'token'], message: 'the token of the collector, since type is splunk-hec' };
  if (format !== undefined && formats[type]?.includes(format) === false)
    yield { path: [...at, 'format'], message: `one of ${formats[type].join(', ')}, since type is ${type}` };
}
