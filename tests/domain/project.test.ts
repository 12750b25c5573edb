import { test } from 'node:test';
import { projectDecider } from '../../domain/project/decider.ts';
import type { ProjectEvent } from '../../domain/project/events.ts';
import { given } from '../given.ts';

const team = { name: 'team', projectId: 2, public: false, owner: 'admin', storageLimit: null };
const which = { name: 'team', projectId: 2 };
const created: ProjectEvent = { type: 'ProjectCreated', data: team };
const deleted: ProjectEvent = { type: 'ProjectDeleted', data: which };
const changed = (isPublic: boolean, metadata: Record<string, string>): ProjectEvent => ({
  type: 'ProjectMetadataChanged',
  data: { ...which, public: isPublic, metadata },
});
const change = { do: 'change', ...which, public: undefined, metadata: {} } as const;

test('a project that does not exist is created as asked', () => {
  given(projectDecider)
    .when({ do: 'create', ...team })
    .then(created);
});

test('a project can be created with settings, also such that no part of Shiplog knows yet', () => {
  given(projectDecider)
    .when({ do: 'create', ...team, metadata: { unknown: 'kept' } })
    .then(created, changed(false, { unknown: 'kept' }));
});

test('the name of a project is taken once, whatever else the second one asks for', () => {
  given(projectDecider, created)
    .when({ do: 'create', ...team, projectId: 3, public: true, owner: 'eve' })
    .thenRefused({ kind: 'project-exists', project: 'team' });
});

test('settings are merged into those that are there, and removed where they are null', () => {
  given(projectDecider, created, changed(false, { a: '1', b: '2' }))
    .when({ ...change, metadata: { b: null, c: '3' } })
    .then(changed(false, { a: '1', c: '3' }));
  given(projectDecider, created, changed(false, { a: '1' }))
    .when({ ...change, public: true })
    .then(changed(true, { a: '1' }));
});

test('settings that are there already change nothing', () => {
  given(projectDecider, created, changed(true, { a: '1', b: '2' }))
    .when({ ...change, public: true, metadata: { b: '2', c: null } })
    .then();
});

test('a project without repositories can be deleted, and its name is free for another', () => {
  given(projectDecider, created)
    .when({ do: 'delete', ...which, holdsRepositories: false })
    .then(deleted);
  given(projectDecider, created, deleted)
    .when({ do: 'create', ...team, projectId: 7 })
    .then({ type: 'ProjectCreated', data: { ...team, projectId: 7 } });
});

test('a project that has repositories stays', () => {
  given(projectDecider, created)
    .when({ do: 'delete', ...which, holdsRepositories: true })
    .thenRefused({ kind: 'project-not-empty', project: 'team' });
});

test('what is meant for a project that is gone never hits another one of the same name', () => {
  const successor: ProjectEvent = { type: 'ProjectCreated', data: { ...team, projectId: 7 } };
  for (const command of [
    { ...change, public: true },
    { do: 'delete', ...which, holdsRepositories: false },
  ] as const)
    given(projectDecider, created, deleted, successor)
      .when(command)
      .thenRefused({ kind: 'project-unknown', project: 'team' });
});

test('a setting is added once, and changed after that', () => {
  const add = { do: 'add-metadata', ...which, key: 'auto_scan', value: 'true' } as const;
  given(projectDecider, created)
    .when(add)
    .then(changed(false, { auto_scan: 'true' }));
  given(projectDecider, created, changed(false, { auto_scan: 'false' }))
    .when(add)
    .thenRefused({ kind: 'metadata-exists', project: 'team', key: 'auto_scan' });
});

test('settings and the list of vulnerabilities that do not count change together, each where it differs', () => {
  const cveAllowlist = { cveIds: ['CVE-2021-44228'], expiresAt: 4102444800 };
  const allowed: ProjectEvent = { type: 'ProjectCveAllowlistChanged', data: { ...which, ...cveAllowlist } };
  const both = { ...change, metadata: { a: '1' }, cveAllowlist };
  given(projectDecider, created)
    .when(both)
    .then(changed(false, { a: '1' }), allowed);
  given(projectDecider, created, allowed)
    .when(both)
    .then(changed(false, { a: '1' }));
  given(projectDecider, created, allowed, changed(false, { a: '1' }))
    .when(both)
    .then();
  given(projectDecider, created, allowed, deleted, created)
    .when({ ...change, cveAllowlist })
    .then(allowed);
});
