import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProject, createUser } from '../http/api-client.ts';
import { digestOf, imageOf, mediaTypes, pushBlob, putManifest, send } from '../http/client.ts';
import { startServer, type TestServer } from '../server.ts';
import { until } from '../until.ts';
import { startHarborClient } from './harbor-client.ts';

const never = '0001-01-01T00:00:00.000Z';

/** Pushes an image that a builder for `architecture` could have made, and resolves to its digest and manifest. */
async function pushImage(server: TestServer, repository: string, reference: string, architecture = 'amd64') {
  const settings = {
    architecture,
    os: 'linux',
    author: 'A test',
    created: '2026-01-02T03:04:05.678901234Z',
    config: { Env: ['NAME=value'] },
    rootfs: { type: 'layers', diff_ids: [digestOf('layer')] },
    history: [{ created: '2026-01-02T03:04:05Z', created_by: 'COPY / /' }],
  };
  const config = {
    ...(await pushBlob(server, repository, JSON.stringify(settings))),
    mediaType: 'application/vnd.oci.image.config.v1+json',
  };
  const layer = {
    ...(await pushBlob(server, repository, 'layer')),
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
  };
  const manifest = imageOf(config, [layer]);
  assert.equal((await putManifest(server, repository, reference, manifest)).status, 201);
  const size = Buffer.byteLength(manifest) + config.size + layer.size;
  return {
    digest: digestOf(manifest),
    mediaType: mediaTypes.image,
    size: Buffer.byteLength(manifest),
    whole: size,
  };
}

test("Harbor's generated client administers repositories, artifacts, tags and labels", async (t) => {
  const server = await startServer(t);
  const client = await startHarborClient(t, server);
  if (client === undefined) return;
  const { ask, get, create, status } = client;
  const teamId = await createProject(server, 'team');
  await createUser(server, 'stranger');
  const image = await pushImage(server, 'team/app', '1.0');
  const nested = { ProjectName: 'team', RepositoryName: 'deep/er/app' };
  const app = { ProjectName: 'team', RepositoryName: 'app' };
  const other = await pushImage(server, 'team/deep/er/app', 'arm', 'arm64');
  const platforms = [await pushImage(server, 'team/deep/er/app', image.digest), other];
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: platforms.map(({ digest, mediaType, size }, at) => ({
      digest,
      mediaType,
      size,
      platform: { os: 'linux', architecture: ['amd64', 'arm64'][at] },
    })),
    annotations: { 'org.example.made-by': 'a test' },
  });
  assert.equal((await putManifest(server, 'team/deep/er/app', 'all', index, mediaTypes.index)).status, 201);

  await t.test('repositories are listed, also with slashes in their names', async () => {
    const { payload, total } = await ask('ListRepositories', { ProjectName: 'team', Page: 1, PageSize: 10 });
    assert.deepEqual(
      payload.map(({ name, artifact_count, project_id }: Record<string, unknown>) => [
        name,
        artifact_count,
        project_id,
      ]),
      [
        ['team/deep/er/app', 2, teamId],
        ['team/app', 1, teamId],
      ],
    );
    assert.equal(total, 2);
    const found = await get('ListRepositories', { ProjectName: 'team', Q: 'name%3D~deep' });
    assert.deepEqual(
      found.map(({ name }: { name: string }) => name),
      ['team/deep/er/app'],
    );
    assert.equal((await get('ListAllRepositories', { Page: 0, PageSize: 0, Q: '', Sort: '' })).length, 2);
    assert.deepEqual(await get('ListAllRepositories', {}, 'stranger'), []);
    assert.equal(await status('ListRepositories', { ProjectName: 'team' }, 'stranger'), 403);
  });

  await t.test('a repository is read and described', async () => {
    await get('UpdateRepository', { ...nested, Repository: { description: 'The app' } });
    const { description, name, artifact_count } = await get('GetRepository', nested);
    assert.deepEqual([description, name, artifact_count], ['The app', 'team/deep/er/app', 2]);
    // As clients send it that escape it twice, for the proxy before Harbor to take one away.
    const twice = { ProjectName: 'team', RepositoryName: 'deep%2Fer%2Fapp' };
    assert.equal((await get('GetRepository', twice)).name, 'team/deep/er/app');
    assert.equal(await status('GetRepository', { ...app, RepositoryName: 'none' }), 404);
    assert.equal(await status('GetRepository', app, 'stranger'), 403);
  });

  await t.test('an artifact is read by tag and by digest', async () => {
    const artifact = await get('GetArtifact', { ...app, Reference: '1.0' });
    assert.deepEqual(await get('GetArtifact', { ...app, Reference: image.digest }), artifact);
    const { type, digest, size, media_type, manifest_media_type, repository_name, project_id } = artifact;
    assert.deepEqual(
      { type, digest, size, media_type, manifest_media_type, repository_name, project_id },
      {
        type: 'IMAGE',
        digest: image.digest,
        size: image.whole,
        media_type: 'application/vnd.oci.image.config.v1+json',
        manifest_media_type: mediaTypes.image,
        repository_name: 'team/app',
        project_id: teamId,
      },
    );
    assert.deepEqual([artifact.extra_attrs.architecture, artifact.extra_attrs.author], ['amd64', 'A test']);
    assert.deepEqual(artifact.extra_attrs.config, { Env: ['NAME=value'] });
    assert.equal(artifact.pull_time, never);
    assert.ok(Math.abs(Date.now() - Date.parse(artifact.push_time)) < 600_000);
    assert.deepEqual(
      artifact.tags.map(({ name, immutable }: Record<string, unknown>) => [name, immutable]),
      [['1.0', false]],
    );
    assert.equal(await status('GetArtifact', { ...app, Reference: '2.0' }), 404);
    assert.equal(await status('GetArtifact', { ...app, Reference: '1.0' }, 'stranger'), 403);
    assert.equal(await status('GetArtifact', { ...app, Reference: '1.0' }, ''), 401);
  });

  await t.test('an index shows its images, and lists hide those without a tag', async () => {
    const { references, annotations, digest } = await get('GetArtifact', { ...nested, Reference: 'all' });
    assert.equal(digest, digestOf(index));
    assert.deepEqual(annotations, { 'org.example.made-by': 'a test' });
    assert.deepEqual(
      references.map(({ child_digest, platform }: Record<string, Record<string, unknown>>) => [
        child_digest,
        platform?.architecture,
      ]),
      [
        [image.digest, 'amd64'],
        [other.digest, 'arm64'],
      ],
    );
    const digests = async (params: object) =>
      (await get('ListArtifacts', { ...nested, Page: 1, PageSize: 10, ...params })).map(
        (artifact: { digest: string }) => artifact.digest,
      );
    assert.deepEqual(await digests({}), [digest, other.digest]);
    assert.deepEqual(await digests({ Q: 'base%3D*', Sort: 'push_time' }), [
      other.digest,
      image.digest,
      digest,
    ]);
    assert.deepEqual(await digests({ Q: 'tags=arm' }), [other.digest]);
    const { payload, total, link } = await ask('ListArtifacts', { ...nested, PageSize: 1, Page: 2 });
    assert.deepEqual([payload[0].digest, total], [other.digest, 2]);
    assert.match(
      link ?? '',
      /<\/api\/v2\.0\/projects\/team\/repositories\/deep%2Fer%2Fapp\/artifacts\?page=1&page_size=1>; rel="prev"/,
    );
    const ofProject = await get('ListArtifactsOfProject', { ProjectNameOrID: 'team', XIsResourceName: true });
    assert.equal(ofProject.length, 3);
  });

  // Not `GetAddition`: the client takes every addition for a string, which Harbor's history of an image is not either.
  await t.test('an image says where its history is', async () => {
    const { addition_links } = await get('GetArtifact', { ...app, Reference: '1.0' });
    assert.deepEqual(addition_links.build_history, {
      href: `/api/v2.0/projects/team/repositories/app/artifacts/${image.digest}/additions/build_history`,
      absolute: false,
    });
  });

  await t.test('a tag is set, listed and removed', async () => {
    const of = { ...nested, Reference: 'arm' };
    assert.equal(await status('CreateTag', { ...of, Tag: { name: 'v1' } }), 201);
    assert.equal(await status('CreateTag', { ...of, Tag: { name: 'v1' } }), 409);
    assert.equal(await status('CreateTag', { ...of, Tag: { name: '-' } }), 400);
    const { payload, total } = await ask('ListTags', { ...of, Sort: 'name', WithImmutableStatus: true });
    const names = payload.map(({ name }: { name: string }) => name);
    assert.deepEqual([names, total], [['arm', 'v1'], 2]);
    assert.equal((await get('GetArtifact', { ...nested, Reference: 'v1' })).digest, other.digest);
    await get('DeleteTag', { ...of, TagName: 'v1' });
    assert.equal(await status('DeleteTag', { ...of, TagName: 'v1' }), 404);
    assert.equal((await get('ListTags', of)).length, 1);
  });

  await t.test('a label is created, put on an artifact, found by, changed and removed', async () => {
    const make = (more: object) => create('CreateLabel', { Label: { color: '#0065AB', ...more } });
    const everywhere = await make({ name: 'checked', scope: 'g', description: 'by somebody' });
    const inTeam = await make({ name: 'checked', scope: 'p', project_id: teamId });
    assert.equal(await status('CreateLabel', { Label: { name: 'checked', scope: 'g' } }), 409);
    const list = (params: object) => get('ListLabels', { Page: 0, PageSize: 0, Q: '', Sort: '', ...params });
    assert.deepEqual(
      (await list({ Scope: 'g', Name: 'check' })).map(({ id }: { id: number }) => id),
      [everywhere],
    );
    assert.deepEqual(
      (await list({ Scope: 'p', ProjectID: teamId })).map(({ id }: { id: number }) => id),
      [inTeam],
    );
    await get('UpdateLabel', { LabelID: inTeam, Label: { name: 'tested', color: '#FFFFFF' } });
    const { name, color, scope, project_id } = await get('GetLabelByID', { LabelID: inTeam });
    assert.deepEqual([name, color, scope, project_id], ['tested', '#FFFFFF', 'p', teamId]);

    const of = { ...nested, Reference: 'all' };
    for (const id of [everywhere, inTeam]) await get('AddLabel', { ...of, Label: { id } });
    assert.equal(await status('AddLabel', { ...of, Label: { id: inTeam } }), 409);
    const labelled = await get('GetArtifact', { ...of, WithLabel: true });
    assert.deepEqual(labelled.labels.map(({ id }: { id: number }) => id).sort(), [everywhere, inTeam]);
    assert.equal((await get('GetArtifact', of)).labels, null);
    assert.deepEqual(
      (await get('ListArtifacts', { ...nested, Q: `labels=(${everywhere} ${inTeam})` })).map(
        ({ digest }: { digest: string }) => digest,
      ),
      [digestOf(index)],
    );
    await get('RemoveLabel', { ...of, LabelID: everywhere });
    assert.equal(await status('RemoveLabel', { ...of, LabelID: everywhere }), 404);
    await get('DeleteLabel', { LabelID: inTeam });
    assert.equal(await status('GetLabelByID', { LabelID: inTeam }), 404);
    assert.equal((await get('GetArtifact', { ...of, WithLabel: true })).labels, null);
  });

  await t.test('what refers to an artifact is listed as its accessory', async () => {
    const empty = await pushBlob(server, 'team/app', '{}');
    const signature = imageOf({ ...empty, mediaType: 'application/vnd.oci.empty.v1+json' }, [empty], {
      artifactType: 'application/vnd.cncf.notary.signature',
      subject: { mediaType: mediaTypes.image, digest: image.digest, size: image.size },
    });
    assert.equal((await putManifest(server, 'team/app', digestOf(signature), signature)).status, 201);
    const [accessory, ...more] = await get('ListAccessories', { ...app, Reference: '1.0' });
    assert.deepEqual(
      [accessory.type, accessory.digest, accessory.subject_artifact_digest, more],
      ['signature.notation', digestOf(signature), image.digest, []],
    );
    const { accessories } = (await get('ListArtifacts', { ...app, WithAccessory: true }))[0];
    assert.deepEqual(accessories, [accessory]);
  });

  await t.test('an artifact is copied to another repository', async () => {
    const copy = { ProjectName: 'team', RepositoryName: 'copies/app', From: 'team/deep/er/app:all' };
    const { status: created, location } = await ask('CopyArtifact', copy);
    assert.equal(created, 201);
    assert.equal(location, '/api/v2.0/projects/team/repositories/copies%2Fapp/artifacts/all');
    const of = { ProjectName: 'team', RepositoryName: 'copies/app', Reference: 'all' };
    assert.equal((await get('GetArtifact', of)).digest, digestOf(index));
    assert.equal(await status('CopyArtifact', { ...copy, From: 'team/none:1.0' }), 404);
    assert.equal(await status('CopyArtifact', { ...copy, From: 'none' }), 400);
  });

  await t.test('projects and repositories are found by name, and counted', async () => {
    const { project, repository } = await get('Search', { Q: 'tea' });
    assert.deepEqual([project.length, project[0].name], [1, 'team']);
    assert.deepEqual(
      repository.map(({ repository_name }: Record<string, string>) => repository_name).sort(),
      ['team/app', 'team/copies/app', 'team/deep/er/app'],
    );
    assert.deepEqual(await get('Search', { Q: 'tea' }, 'stranger'), { project: [], repository: [] });
    const { total_storage_consumption, ...counts } = await get('GetStatistic');
    assert.deepEqual(counts, {
      private_project_count: 1,
      private_repo_count: 3,
      public_project_count: 1,
      public_repo_count: 0,
      total_project_count: 2,
      total_repo_count: 3,
    });
    assert.ok(total_storage_consumption > 0);
  });

  await t.test('the audit log tells who did what, and pulls are counted', async () => {
    assert.equal((await send(server, 'GET', '/v2/team/app/manifests/1.0')).status, 200);
    await until('the pull is counted', async () => (await get('GetRepository', app)).pull_count === 1);
    assert.notEqual((await get('GetArtifact', { ...app, Reference: '1.0' })).pull_time, never);
    const asked = { Q: 'resource%3Dteam%2Fapp%3A1.0', Sort: '-op_time', Page: 1, PageSize: 10 };
    const { payload, total } = await ask('ListAuditLogExts', asked);
    assert.equal(total, 2);
    assert.deepEqual(
      payload.map(({ id: _, op_time: __, ...row }: Record<string, unknown>) => row),
      ['pull', 'create'].map((operation) => ({
        ...{ username: 'admin', operation, resource: 'team/app:1.0', resource_type: 'artifact' },
        operation_description: `${operation === 'pull' ? 'pull' : 'push'} artifact: team/app@${image.digest}`,
        operation_result: true,
      })),
    );
    assert.equal((await get('ListAuditLogs', asked)).length, 2);
    assert.equal((await get('GetLogExts', { ...asked, ProjectName: 'team' })).length, 2);
    assert.equal((await get('GetLogs', { ...asked, ProjectName: 'team' })).length, 2);
    assert.deepEqual(await get('ListAuditLogExts', {}, 'stranger'), []);
    const types = await get('ListAuditLogEventTypes');
    assert.ok(types.some(({ event_type }: Record<string, string>) => event_type === 'pull_artifact'));
  });

  await t.test(
    'an artifact is removed with its tags, unless an index has it, and then its repository',
    async () => {
      assert.equal(await status('DeleteProject', { ProjectNameOrID: 'team', XIsResourceName: true }), 412);
      await assert.rejects(get('DeleteArtifact', { ...nested, Reference: other.digest }), /status 412/);
      await get('DeleteArtifact', { ...app, Reference: image.digest });
      assert.equal(await status('GetArtifact', { ...app, Reference: '1.0' }), 404);
      for (const RepositoryName of ['app', 'deep/er/app', 'copies/app']) {
        await get('DeleteRepository', { ProjectName: 'team', RepositoryName });
        assert.equal(await status('GetRepository', { ProjectName: 'team', RepositoryName }), 404);
      }
      await get('DeleteProject', { ProjectNameOrID: 'team', XIsResourceName: true });
    },
  );
});
