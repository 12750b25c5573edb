import { Gauge } from 'prom-client';
import { type Metrics, sharedInTime } from './metrics.ts';

export interface MeasuredQuota {
  readonly project: string;
  /** In bytes: what it may hold, -1 for any number, and what it does. */
  readonly storage: number;
  readonly used: number;
}

/** Shows the quotas as they are at each scrape, by the names of Harbor's exporter; for which they are asked once. */
export function exposeQuotas({ registry }: Metrics, read: () => Promise<readonly MeasuredQuota[]>): void {
  const readQuotas = sharedInTime(read);
  const gauge = (name: string, help: string, value: (quota: MeasuredQuota) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['project_name'],
      registers: [registry],
      async collect() {
        const quotas = await readQuotas();
        this.reset();
        for (const quota of quotas ?? []) this.set({ project_name: quota.project }, value(quota));
      },
    });
  gauge('harbor_project_quota_byte', 'What a project may hold; -1 for any number', ({ storage }) => storage);
  gauge('harbor_project_quota_usage_byte', 'What a project holds', ({ used }) => used);
}
