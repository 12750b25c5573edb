import type { z } from 'zod';
import {
  choice,
  decimal,
  flag,
  labels,
  listeningPort,
  notUsed,
  notUsedSection,
  section,
  text,
  whole,
} from '../fields.ts';

const logFiles = 'Shiplog logs to standard output, where the service manager takes it.';

export const observability = {
  log: section('What Shiplog says of its own running; the audit log is another thing.', {
    level: choice('The least severe level that is logged.', [
      'trace',
      'debug',
      'info',
      'warn',
      'warning',
      'error',
      'fatal',
      'silent',
    ])
      .default('info')
      // Harbor's word and pino's for the same level.
      .transform((level) => (level === 'warning' ? 'warn' : level)),
    local: notUsedSection(logFiles, ['rotate_count', 'rotate_size', 'location']),
    external_endpoint: notUsedSection(logFiles, ['protocol', 'host', 'port']),
    rotate_count: notUsed(logFiles),
    rotate_size: notUsed(logFiles),
    location: notUsed(logFiles),
  }).prefault({}),

  metric: section('Prometheus metrics.', {
    enabled: flag('Whether there are metrics.').default(true),
    port: listeningPort(
      'A port of their own, on the address of `http.address`; without it they are on the port of the API.',
    ).optional(),
    path: text('The path.', 'a path that begins with /')
      .regex(/^\/[^?#\s]*$/, { error: 'a path that begins with /' })
      .default('/metrics'),
  }).prefault({}),

  trace: section('OpenTelemetry traces.', {
    enabled: flag('Whether traces are recorded and exported.').default(false),
    sample_rate: decimal('The part of all requests that is traced, from 0 to 1.', 0, 1).default(1),
    namespace: text('The namespace of the service (`service.namespace`).').optional(),
    attributes: labels('Attributes that every span carries as those of its resource.').prefault({}),
    otel: section('The collector, over OTLP/HTTP; required for traces.', {
      endpoint: text(
        'The collector, `host:port` or a URL; required for traces.',
        'host:port or a URL, without user and password',
      ).regex(/^(https?:\/\/)?[^\s/@?#]+\/?$/i, { error: 'host:port or a URL, without user and password' }),
      url_path: text('The path of the collector’s traces.', 'a path that begins with /')
        .regex(/^\/[^\s]*$/, { error: 'a path that begins with /' })
        .default('/v1/traces'),
      compression: flag('Whether exports are compressed with gzip.').default(false),
      insecure: flag('Whether to use plain HTTP when `endpoint` does not say.').default(false),
      timeout: whole('How long an export may take, in seconds.', 1, 600).default(10),
    }).optional(),
    jaeger: notUsedSection('Jaeger takes OTLP: give its address in `trace.otel`.', [
      'endpoint',
      'username',
      'password',
      'agent_host',
      'agent_port',
    ]),
  }).prefault({}),
} satisfies z.core.$ZodShape;
