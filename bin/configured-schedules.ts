import type { AllocateId } from '../commands/allocate-id.ts';
import type { Recorder } from '../commands/record.ts';
import { seedSchedule } from '../commands/seed-schedule.ts';
import { noVendor } from '../domain/execution/kinds.ts';
import { inSixFields } from '../domain/schedule/cron.ts';
import type { Configuration } from '../infra/configuration/schema.ts';

interface Ports {
  readonly record: Recorder;
  readonly allocateId: AllocateId;
}

/** Sets the schedules that the configuration has, where nobody has set others. */
export async function seedSchedules(ports: Ports, configuration: Configuration): Promise<void> {
  const { garbage_collection, upload_purging } = configuration;
  const seed = seedSchedule({ ...ports, now: () => new Date() });
  await seed({
    kind: 'GARBAGE_COLLECTION',
    vendorId: noVendor,
    seed: garbage_collection.enabled
      ? {
          cron: inSixFields(garbage_collection.schedule),
          parameters: { delete_untagged: garbage_collection.untagged },
        }
      : undefined,
  });
  await seed({
    kind: 'SYSTEM_ARTIFACT_CLEANUP',
    vendorId: noVendor,
    seed: upload_purging.enabled ? { cron: '0 0 0 * * *', parameters: {} } : undefined,
  });
}
