import type { Metadata } from '../domain/event.ts';
import { type DescribeRepository, describing } from '../domain/repository/decider.ts';
import { repositoryStream } from '../domain/repository/events.ts';
import { decision, type Recorder } from './record.ts';

/** Resolves to the log's position. */
export const describeRepository =
  ({ record }: { readonly record: Recorder }) =>
  async (described: DescribeRepository, metadata: Metadata): Promise<bigint> => {
    const stream = repositoryStream(described.repository);
    return (await record(metadata, decision(stream, describing, described))).position;
  };
