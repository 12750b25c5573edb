import type { AllocateId } from '../commands/allocate-id.ts';
import { attachLabel, detachLabel } from '../commands/attach-label.ts';
import { changeLabel } from '../commands/change-label.ts';
import { createLabel } from '../commands/create-label.ts';
import { deleteLabel } from '../commands/delete-label.ts';
import type { Recorder } from '../commands/record.ts';
import type { LabelPorts } from '../gateway/api/labels.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { Views } from '../infra/views/port.ts';
import { type LabelsDatabase, labels } from '../projections/labels/projection.ts';
import { findLabel, labelsOf, listLabels } from '../projections/labels/queries.ts';
import type { Current } from './api-parts.ts';

/** What the management API asks of labels. */
export function labelParts(
  ports: { readonly record: Recorder; readonly allocateId: AllocateId },
  { kysely, views, current }: { kysely: ViewDatabase; views: Views; current: Current },
): LabelPorts {
  const inLabels = viewOf<LabelsDatabase>(kysely, labels);
  return {
    findLabel: current(findLabel.bind(undefined, inLabels)),
    listLabels: current(listLabels.bind(undefined, inLabels)),
    labelsOf: current(labelsOf.bind(undefined, inLabels)),
    createLabel: createLabel(ports),
    changeLabel: changeLabel(ports),
    deleteLabel: deleteLabel(ports),
    attachLabel: attachLabel(ports),
    detachLabel: detachLabel(ports),
    reached: (position) => views.reached(position, [labels]),
  };
}
