// The client's own messages and service definitions. They are CommonJS that tells no names to an import.

export { default as gossip_grpc_pb } from '@eventstore/db-client/generated/gossip_grpc_pb.js';
export { default as gossip_pb } from '@eventstore/db-client/generated/gossip_pb.js';
export { default as serverfeatures_grpc_pb } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
export { default as serverfeatures_pb } from '@eventstore/db-client/generated/serverfeatures_pb.js';
export { default as shared_pb } from '@eventstore/db-client/generated/shared_pb.js';
export { default as streams_grpc_pb } from '@eventstore/db-client/generated/streams_grpc_pb.js';
export { default as streams_pb } from '@eventstore/db-client/generated/streams_pb.js';
