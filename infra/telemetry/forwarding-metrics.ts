import { Counter, Gauge } from 'prom-client';
import { type Metrics, sharedInTime } from './metrics.ts';

export interface MeasuredForwarding {
  readonly name: string;
  readonly lagSeconds: number;
  /** How many records the target has refused for ever. */
  readonly refused: number;
}

/** What this process has sent. */
export interface ForwardingMeters {
  forwarded(target: string, records: number): void;
  failed(target: string): void;
}

/** Counts what is forwarded here, and shows how far the targets are at each scrape, for which they are asked once. */
export function exposeForwarding(
  { registry }: Metrics,
  read: () => Promise<readonly MeasuredForwarding[]>,
): ForwardingMeters {
  const registers = [registry];
  const labelNames = ['target'] as const;
  const readStatus = sharedInTime(read);
  const gauge = (name: string, help: string, value: (status: MeasuredForwarding) => number) =>
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        const targets = await readStatus();
        this.reset();
        for (const target of targets ?? []) this.set({ target: target.name }, value(target));
      },
    });
  gauge(
    'shiplog_audit_forward_lag_seconds',
    'Age of the oldest event that the target has not taken for sure; 0 when it has taken all',
    ({ lagSeconds }) => lagSeconds,
  );
  gauge(
    'shiplog_audit_forward_refused',
    'Events that the target has refused for ever, which were put aside',
    ({ refused }) => refused,
  );
  const forwarded = new Counter({
    name: 'shiplog_audit_forwarded_total',
    help: 'Events that this process has sent to the target, repeats included',
    labelNames,
    registers,
  });
  const failures = new Counter({
    name: 'shiplog_audit_forward_failures_total',
    help: 'Times that this process could not send to the target',
    labelNames,
    registers,
  });
  return {
    forwarded: (target, records) => forwarded.inc({ target }, records),
    failed: (target) => failures.inc({ target }),
  };
}
