import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labelDecider } from '../../domain/label/decider.ts';
import { type LabelEvent, labelsStream } from '../../domain/label/events.ts';
import { given } from '../given.ts';

const scope = { project: 'team', projectId: 2 };
const look = { description: 'Tested by hand', color: '#0065AB' };
const created = (labelId: number, name: string): LabelEvent => ({
  type: 'LabelCreated',
  data: { labelId, ...scope, name, ...look },
});
const changed = (labelId: number, name: string): LabelEvent => ({
  type: 'LabelChanged',
  data: { labelId, ...scope, name, ...look },
});
const deleted = (labelId: number, name: string): LabelEvent => ({
  type: 'LabelDeleted',
  data: { labelId, ...scope, name },
});
const create = (name: string) => ({ do: 'create', ...scope, name, ...look }) as const;
const change = (name: string) => ({ do: 'change', name, ...look }) as const;

test('the labels of the system and those of each project are apart', () => {
  assert.deepEqual([labelsStream(null), labelsStream(2)], ['labels/system', 'labels/2']);
});

test('a name is given to one label at a time', () => {
  given(labelDecider(7, 'ready')).when(create('ready')).then(created(7, 'ready'));
  given(labelDecider(8, 'ready'), created(7, 'ready'))
    .when(create('ready'))
    .thenRefused({ kind: 'label-exists', label: 'ready' });
  given(labelDecider(8, 'Ready'), created(7, 'ready')).when(create('Ready')).then(created(8, 'Ready'));
});

test('a label gets another name unless that is given', () => {
  const both = [created(7, 'ready'), created(8, 'broken')];
  given(labelDecider(7, 'done'), ...both)
    .when(change('done'))
    .then(changed(7, 'done'));
  given(labelDecider(7, 'broken'), ...both)
    .when(change('broken'))
    .thenRefused({ kind: 'label-exists', label: 'broken' });
});

test('the name that a label had is free, and so is that of one that is gone', () => {
  given(labelDecider(9, 'ready'), created(7, 'ready'), changed(7, 'done'))
    .when(create('ready'))
    .then(created(9, 'ready'));
  given(labelDecider(9, 'ready'), created(7, 'ready'), deleted(7, 'ready'))
    .when(create('ready'))
    .then(created(9, 'ready'));
  given(labelDecider(9, 'ready'), created(7, 'ready'), changed(7, 'done'), changed(7, 'ready'))
    .when(create('ready'))
    .thenRefused({ kind: 'label-exists', label: 'ready' });
});

test('a label keeps its name when its description or color changes, and the same again changes nothing', () => {
  given(labelDecider(7, 'ready'), created(7, 'ready')).when(change('ready')).then();
  given(labelDecider(7, 'ready'), created(7, 'ready'))
    .when({ ...change('ready'), color: '' })
    .then({ type: 'LabelChanged', data: { labelId: 7, ...scope, name: 'ready', ...look, color: '' } });
});

test('a label that is not there is neither changed nor deleted nor attached', () => {
  const gone = [created(7, 'ready'), deleted(7, 'ready')];
  for (const past of [[], gone, [created(8, 'other')]])
    for (const command of [change('done'), { do: 'delete' }, { do: 'require' }] as const)
      given(labelDecider(7, 'done'), ...past)
        .when(command)
        .thenRefused({ kind: 'label-unknown', labelId: 7 });
});

test('a label is deleted under the name that it has last had', () => {
  given(labelDecider(7), created(7, 'ready'), changed(7, 'done'))
    .when({ do: 'delete' })
    .then(deleted(7, 'done'));
  given(labelDecider(7), created(7, 'ready')).when({ do: 'require' }).then();
});
