import { elasticsearchTarget } from './elasticsearch.ts';
import { httpTarget } from './http.ts';
import { otlpTarget } from './otlp.ts';
import type { AuditTarget, Origin, TargetTls } from './port.ts';
import { splunkTarget } from './splunk-hec.ts';
import { syslogTarget } from './syslog.ts';
import { harborLine, rfc5424 } from './syslog-message.ts';

export interface TargetSettings {
  readonly type: 'syslog' | 'splunk-hec' | 'elasticsearch' | 'otlp' | 'http';
  /** `tcp:` or `tls:` for syslog, `http:` or `https:` for the others. */
  readonly url: string;
  readonly tls: TargetTls;
  readonly token: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly signingSecret: string | undefined;
  readonly index: string | undefined;
  readonly format: 'cef' | 'json' | 'ndjson' | undefined;
  readonly acknowledged: boolean;
  readonly gzip: boolean;
  readonly timeoutMs: number;
}

const standardIndex = 'shiplog-audit';

/** Connects to nobody before there is something to send. */
export function openTarget(settings: TargetSettings, origin: Origin): AuditTarget {
  const { type, token, username, password = '', signingSecret, index, format, acknowledged } = settings;
  const { tls, gzip, timeoutMs } = settings;
  const url = new URL(settings.url);
  const authorizationBy = (scheme: string): string | undefined => {
    if (token !== undefined) return `${scheme} ${token}`;
    if (username === undefined) return undefined;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  };
  const secrets = [token, password, signingSecret].filter((secret) => secret !== undefined);
  const http = { url, tls, gzip, timeoutMs, secrets };
  switch (type) {
    case 'syslog':
      return syslogTarget({
        host: hostOf(url),
        port: Number(url.port),
        tls: url.protocol === 'tls:' ? tls : undefined,
        timeoutMs,
        form: rfc5424(format === 'json' ? 'json' : 'cef', origin),
      });
    case 'splunk-hec':
      return splunkTarget({ ...http, token: token ?? '', index, acknowledged, origin });
    case 'elasticsearch':
      return elasticsearchTarget({
        ...http,
        authorization: authorizationBy('ApiKey'),
        index: index ?? standardIndex,
      });
    case 'otlp':
      return otlpTarget({
        ...http,
        url: url.pathname === '/' ? new URL('/v1/logs', url) : url,
        authorization: authorizationBy('Bearer'),
        origin,
      });
    case 'http':
      return httpTarget({
        ...http,
        authorization: authorizationBy('Bearer'),
        signingSecret,
        format: format === 'json' ? 'json' : 'ndjson',
      });
  }
}

/** `host:port`, as it is set by Harbor's API: lines as Harbor sends them, over TCP. */
export function openHarborTarget(endpoint: string, origin: Origin, timeoutMs: number): AuditTarget {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|(.*)):(\d+)$/.exec(endpoint) ?? [];
  return syslogTarget({
    ...{ host: bracketed ?? plain, port: Number(port), tls: undefined, timeoutMs },
    form: harborLine(origin),
  });
}

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1');
