import type { AllocateId } from '../commands/allocate-id.ts';
import { changeImmutableRule } from '../commands/change-immutable-rule.ts';
import { createImmutableRule } from '../commands/create-immutable-rule.ts';
import { deleteImmutableRule } from '../commands/delete-immutable-rule.ts';
import type { Recorder } from '../commands/record.ts';
import type { ImmutabilityPorts } from '../gateway/api/immutability.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { Views } from '../infra/views/port.ts';
import { type ImmutabilityDatabase, immutability } from '../projections/immutability/projection.ts';
import { listRules, rulesOf } from '../projections/immutability/queries.ts';
import type { Current } from './api-parts.ts';

/** What the management API asks of the rules of immutability. */
export function immutabilityParts(
  ports: { readonly record: Recorder; readonly allocateId: AllocateId },
  { kysely, views, current }: { kysely: ViewDatabase; views: Views; current: Current },
): ImmutabilityPorts {
  const inRules = viewOf<ImmutabilityDatabase>(kysely, immutability);
  return {
    listRules: current(listRules.bind(undefined, inRules)),
    rulesOf: current(rulesOf.bind(undefined, inRules)),
    createRule: createImmutableRule(ports),
    changeRule: changeImmutableRule(ports),
    deleteRule: deleteImmutableRule(ports),
    reached: (position) => views.reached(position, [immutability]),
  };
}
