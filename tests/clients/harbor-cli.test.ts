import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pushImage } from '../http/client.ts';
import { startServer } from '../server.ts';
import { startContainerTools } from './container-tools.ts';

const secretOfAnn = 'Passw0rd-of-ann';

// Harbor's own command line. Without a form of output it draws tables, for which it needs a terminal; here it is asked
// for JSON. What it asks of its user it reads from the standard input, where the terminal is a dumb one.
test("Harbor's command line administers the registry", async (t) => {
  const tools = await startContainerTools(t, ['harbor'], {
    mayBeMissing: 'the module proxy that .ci/install-tools builds it from may not have it',
  });
  if (tools === undefined) return;
  const server = await startServer(t);
  const harbor = (...args: string[]) => tools.tell('harbor', ...args);
  const enter = (input: string, ...args: string[]) => tools.feed(input, 'harbor', ...args);
  const json = async (...args: string[]) => JSON.parse(await tools.run('harbor', ...args, '-o', 'json'));
  const payload = async (...args: string[]) => (await json(...args)).Payload;
  const login = (username: string, password: string) =>
    harbor('login', server.url, '-u', username, '-p', password);
  const namesOf = (list: readonly Record<string, string>[], key = 'name') => list.map((each) => each[key]);

  await t.test('a wrong password does not log in', async () => {
    await assert.rejects(login('admin', 'wrong'), /authentication failed, check your credentials/);
    await assert.rejects(harbor('project', 'list', '-o', 'json'), /Please run `harbor login`/);
  });
  assert.match(await login('admin', server.password), /Login successful for admin/);

  await t.test('it tells about the system, its health and its configuration', async () => {
    const info = await json('info');
    assert.match(JSON.stringify(info), /db_auth/);
    const { status, components } = await payload('health');
    assert.deepEqual([status, components.length > 0], ['healthy', true]);
    const { token_expiration, robot_name_prefix } = await json('config', 'view');
    assert.deepEqual([token_expiration, robot_name_prefix], [30, 'robot$']);
  });

  await t.test('projects are created, listed, shown, changed and found', async () => {
    assert.match(await harbor('project', 'create', 'team', '--storage-limit=-1'), /created successfully/);
    await harbor('project', 'create', 'open', '--public', '--storage-limit=1073741824');
    await assert.rejects(harbor('project', 'create', 'team', '--storage-limit=-1'), /already exists/);
    assert.deepEqual(namesOf(await json('project', 'list')), ['library', 'open', 'team']);
    assert.deepEqual(namesOf(await json('project', 'list', '--private')), ['team']);
    assert.deepEqual(namesOf(await json('project', 'list', '--sort', '-name', '--page-size', '1')), ['team']);
    assert.deepEqual(namesOf(await json('project', 'list', '--fuzzy', 'name=ea')), ['team']);
    const { project_id, metadata } = await payload('project', 'view', 'team');
    assert.equal(metadata.public, 'false');
    assert.equal((await payload('project', 'view', '--id', String(project_id))).name, 'team');
    await assert.rejects(harbor('project', 'view', 'none'), /project none does not exist/);
    const { project, summary } = await json('project', 'summary', 'team');
    assert.deepEqual([project.name, summary.repo_count, summary.project_admin_count], ['team', 0, 1]);
    assert.deepEqual(namesOf((await payload('project', 'search', 'tea')).project), ['team']);

    await harbor('project', 'config', 'update', 'team', '--public', 'true', '--severity', 'high');
    const { public: isPublic, severity } = await json('project', 'config', 'list', 'team');
    assert.deepEqual([isPublic, severity], ['true', 'high']);
    assert.match(await harbor('project', 'delete', 'open'), /Successfully deleted/);
    await assert.rejects(harbor('project', 'delete', 'open'), { stdout: /project open not found/ });
  });

  // Not `user password`: it reads a password from nowhere but a terminal.
  await t.test('users are created, listed and made administrators', async () => {
    const create = (name: string, password: string) =>
      harbor(
        ...['user', 'create', '--username', name, '--email', `${name}@example.com`],
        ...['--realname', `The ${name}`, '--password', password],
      );
    await create('ann', secretOfAnn);
    await create('ben', 'Passw0rd-of-ben');
    await assert.rejects(create('ann', secretOfAnn), /409/);
    assert.deepEqual(namesOf(await json('user', 'list'), 'username'), ['ann', 'ben']);
    assert.deepEqual(namesOf(await json('user', 'list', '-q', 'username=~nn'), 'username'), ['ann']);
    assert.match(await enter('y\n', 'user', 'elevate', 'ben'), /elevated role to admin successfully/);
    assert.equal((await json('user', 'list', '-q', 'username=ben'))[0].sysadmin_flag, true);
    assert.match(await harbor('user', 'delete', 'ben'), /User deleted successfully/);
    assert.deepEqual(namesOf(await json('user', 'list'), 'username'), ['ann']);
  });

  // Not `member update`: it takes the member's number from a list that needs a terminal, or mistakes the user's for it.
  await t.test('members are added, listed and removed', async () => {
    // It adds one to the number of the role.
    await harbor('project', 'member', 'create', 'team', '--username', 'ann', '--roleid', '1');
    const members = await payload('project', 'member', 'list', 'team');
    assert.deepEqual(
      members.map(({ entity_name, role_name }: Record<string, string>) => [entity_name, role_name]),
      [
        ['admin', 'projectAdmin'],
        ['ann', 'developer'],
      ],
    );
    assert.equal((await payload('project', 'member', 'list', 'team', '-s', 'ann')).length, 1);
    await login('ann', secretOfAnn);
    assert.deepEqual((await payload('project', 'view', 'team')).current_user_role_ids, [2]);
    await assert.rejects(harbor('user', 'list', '-o', 'json'), /Permission denied/);
    await login('admin', server.password);
    await harbor('project', 'member', 'delete', 'team', '-u', 'ann');
    assert.equal((await payload('project', 'member', 'list', 'team')).length, 1);
  });

  // Not `refresh` without a secret: it ends with an error where it finds no clipboard.
  await t.test('robots of a project and of the system are created, log in and are removed', async () => {
    const settings = join(tools.directory, 'robot.json');
    const pulls = {
      kind: 'project',
      namespace: 'team',
      access: [{ resource: 'repository', actions: ['pull'] }],
    };
    const lists = { kind: 'system', namespace: '/', access: [{ resource: 'project', actions: ['*'] }] };
    for (const [level, name, command, permissions] of [
      ['project', 'robot$team+ci', ['project', 'robot'], [pulls]],
      ['system', 'robot$ci', ['robot'], [lists, pulls]],
    ] as const) {
      await writeFile(settings, JSON.stringify({ name: 'ci', level, duration: 30, permissions }));
      const told = await harbor(...command, 'create', '-r', settings, '--export-to-file');
      assert.match(told, /Successfully created robot account/);
      const exported = await readFile(join(tools.directory, `${name}-secret.json`), 'utf8');
      const { secret } = JSON.parse(exported);
      assert.match(await login(name, secret), /Login successful/);
      assert.deepEqual(namesOf(await json('project', 'list')).includes('team'), true);
      await login('admin', server.password);

      const ofProject = level === 'project';
      const list = () => payload(...command, 'list', ...(ofProject ? ['team'] : []));
      const [robot] = await list();
      assert.equal(robot.name, name);
      await harbor(...command, 'refresh', String(robot.id), '--secret', 'Another-Passw0rd');
      await assert.rejects(login(name, secret), /authentication failed/);
      assert.match(await login(name, 'Another-Passw0rd'), /Login successful/);
      await login('admin', server.password);
      // It looks for a robot of a project by the name within the project.
      await harbor(...command, 'delete', ...(ofProject ? ['ci', '--project', 'team'] : [name]));
      assert.deepEqual(await list(), []);
    }
  });

  await t.test('labels are created, listed, changed and removed', async () => {
    const { project_id } = await payload('project', 'view', 'team');
    await harbor('label', 'create', '--name', 'checked', '--color', '#0065AB', '-d', 'by somebody');
    await harbor('label', 'create', '--name', 'ours', '--scope', 'p', '--project', String(project_id));
    assert.deepEqual(namesOf(await payload('label', 'list')), ['checked']);
    assert.deepEqual(namesOf(await payload('label', 'list', '-p', 'team')), ['ours']);
    await assert.rejects(harbor('label', 'create', '--name', 'checked'), /409/);
    // It asks for the new name, the number of a colour in its list, and the description.
    await enter('theirs\n1\n\n', 'label', 'update', 'ours', '-p', 'team');
    const [label] = await payload('label', 'list', '-p', 'team');
    assert.deepEqual([label.name, label.color], ['theirs', '#FFFFFF']);
    await harbor('label', 'delete', 'theirs', '-p', 'team');
    await assert.rejects(harbor('label', 'list', '-p', 'team', '-o', 'json'), /no labels found/);
  });

  const image = await pushImage(server, 'team/deep/app', '1.0');
  await pushImage(server, 'team/app', '1.0');
  await t.test(
    'repositories are listed, shown, described and found, also with slashes in their names',
    async () => {
      assert.deepEqual(namesOf(await payload('repo', 'list', 'team')), ['team/app', 'team/deep/app']);
      assert.deepEqual(namesOf(await payload('repo', 'list', 'team', '-q', 'name=~deep')), ['team/deep/app']);
      assert.match(await harbor('repo', 'update', 'team/deep/app', '-d', 'The app'), /updated successfully/);
      const { description, artifact_count } = await payload('repo', 'view', 'team/deep/app');
      assert.deepEqual([description, artifact_count], ['The app', 1]);
      const { repository } = await payload('repo', 'search', 'deep');
      assert.deepEqual(namesOf(repository, 'repository_name'), ['team/deep/app']);
    },
  );

  await t.test('artifacts are shown, tagged, labelled and removed', async () => {
    const at = 'team/deep/app:1.0';
    const [artifact] = await payload('artifact', 'list', 'team/deep/app');
    assert.equal(artifact.digest, image.digest);
    assert.equal((await payload('artifact', 'view', at)).id, artifact.id);
    assert.equal((await payload('artifact', 'view', `team/deep/app@${image.digest}`)).id, artifact.id);
    await assert.rejects(harbor('artifact', 'view', 'team/deep/app:2.0'), /404/);

    assert.match(await harbor('artifact', 'tags', 'create', at, 'latest'), /Tag created successfully/);
    await assert.rejects(harbor('artifact', 'tags', 'create', at, 'latest'), /409/);
    assert.deepEqual(namesOf(await payload('artifact', 'tags', 'list', at)).sort(), ['1.0', 'latest']);
    await harbor('artifact', 'tags', 'delete', at, 'latest');
    assert.deepEqual(namesOf(await payload('artifact', 'tags', 'list', at)), ['1.0']);

    await harbor('artifact', 'label', 'add', at, 'checked');
    assert.deepEqual(namesOf(await json('artifact', 'label', 'list', at)), ['checked']);
    await harbor('artifact', 'label', 'delete', at, 'checked');
    assert.match(await harbor('artifact', 'label', 'list', at), /No labels found/);

    assert.match(await harbor('artifact', 'delete', at), /Artifact deleted successfully/);
    await assert.rejects(harbor('artifact', 'view', at), /404/);
    assert.match(await harbor('repo', 'delete', 'team/deep/app'), /deleted successfully/);
    await assert.rejects(harbor('repo', 'view', 'team/deep/app'), /404/);
  });

  await t.test('a project with repositories is deleted only by force', async () => {
    await assert.rejects(harbor('project', 'delete', 'team'), {
      stdout: /contains repositories, can not be deleted/,
    });
    assert.match(await harbor('project', 'delete', 'team', '--force'), /Successfully deleted projects/);
    assert.deepEqual(namesOf(await json('project', 'list')), ['library']);
  });

  await t.test('the configuration is changed from a file', async () => {
    const file = join(tools.directory, 'configuration.json');
    await writeFile(
      file,
      JSON.stringify({ token_expiration: 20, project_creation_restriction: 'adminonly' }),
    );
    assert.match(await harbor('config', 'apply', '-f', file, '-y'), /updated successfully/);
    assert.match(await harbor('config', 'apply', '-f', file, '-y'), /No changes detected/);
  });

  await t.test('the lists of what is not there are empty', async () => {
    assert.match(await harbor('registry', 'list'), /No registries found/);
    assert.match(await harbor('replication', 'policies', 'list'), /No policies found/);
    assert.match(await harbor('scanner', 'list'), /No scanners found/);
  });
});
