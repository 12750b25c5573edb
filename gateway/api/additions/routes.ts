import type { FastifyInstance } from 'fastify';
import type { Access } from '../access.ts';
import type { AnswerForm } from '../answer-forms.ts';
import { artifactAt, artifactPath } from '../in-repository.ts';
import { operation } from '../operation.ts';
import type { RepositoryPorts } from '../repository-ports.ts';
import { type AdditionPorts, additionReader, additionTypes, type ShownAddition } from './additions.ts';

/** What others wrote is shown as text, whatever a browser would make of it. */
const harmless = { 'x-content-type-options': 'nosniff', 'content-security-policy': "default-src 'none'" };

const showsAddition: AnswerForm<ShownAddition> = {
  status: 200,
  description: 'The addition, of a type that goes by its kind',
  contentType: Object.values(additionTypes),
  send: ({ type, content, size }, { reply }) =>
    reply
      .headers({ ...harmless, ...(size !== undefined && { 'content-length': size }) })
      .type(type)
      .send(content),
};

/** Nothing scans yet, so that there are no reports. */
const noReports: ShownAddition = { type: additionTypes.json, content: '{}' };

/** Harbor's `artifact` operations on what can be read out of an artifact. */
export function additionRoutes(
  api: FastifyInstance,
  ports: Pick<RepositoryPorts, 'contents'> & { readonly additions: AdditionPorts },
  access: Access,
): void {
  const read = additionReader(ports.additions);

  operation(
    api,
    {
      id: 'getVulnerabilitiesAddition',
      tag: 'artifact',
      method: 'GET',
      path: `${artifactPath}/additions/vulnerabilities`,
      summary: 'What scanners have found in an artifact, by the media type of the report.',
      headers: { 'X-Accept-Vulnerabilities': 'Media types of reports, with commas between' },
      answer: showsAddition,
    },
    async ({ request, path }) => {
      await access.inProject(request, 'artifact-addition:read');
      await artifactAt(ports, path);
      return noReports;
    },
  );

  operation(
    api,
    {
      id: 'getAddition',
      tag: 'artifact',
      method: 'GET',
      path: `${artifactPath}/additions/:addition`,
      summary: 'The history of an image, or a document of a chart, a model or an SBOM.',
      answer: showsAddition,
    },
    async ({ request, path }) => {
      await access.inProject(request, 'artifact-addition:read');
      const artifact = await artifactAt(ports, path);
      const addition = path.addition.toLowerCase();
      return addition === 'vulnerabilities' ? noReports : read(artifact, addition);
    },
  );
}
