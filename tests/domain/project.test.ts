import { test } from 'node:test';
import { projectDecider } from '../../domain/project/decider.ts';
import { given } from '../given.ts';

const library = { name: 'library', projectId: 1, public: true, owner: 'admin' };

test('a project that does not exist is created as asked', () => {
  given(projectDecider).when(library).then({ type: 'ProjectCreated', data: library });
});

test('the name of a project is taken once, whatever else the second one asks for', () => {
  given(projectDecider, { type: 'ProjectCreated', data: library })
    .when({ ...library, projectId: 2, public: false, owner: 'eve' })
    .thenRefused({ kind: 'project-exists', project: 'library' });
});
