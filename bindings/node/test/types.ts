// Compiled, not run: the declarations accept this program.
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Client, GlacierError, plan, treeHash, treeHashFile, version } from '..';
import type { Archive, Count, Path, Progress, StoredPart, UploadState } from '..';

export async function everything(signal: AbortSignal): Promise<void> {
  await using client = new Client({
    region: 'eu-central-1',
    credentials: async () => ({ accessKeyId: 'a', secretAccessKey: 'b', sessionToken: 'c', expiration: new Date() }),
    memoryLimit: 1n << 30n,
    log: (level, message) => console.error(level.toUpperCase(), message.length),
  });
  const onProgress = (progress: Progress): void => console.log(progress.bytesTotal ?? 'unknown');
  const archive: Archive = await client.upload('v', 'file', { signal, onProgress, journal: 'j', partSize: 1 << 20 });
  await client.upload('v', createReadStream(archive.archiveId));
  const stream = client.createWriteStream('v', { expectedSize: 1e12 });
  await pipeline(createReadStream('file'), stream);
  const id: string | undefined = stream.archive?.archiveId;
  await using upload = client.createUpload('v', { uploadId: id ?? 'id' });
  const state: UploadState = upload.state;
  const parts: StoredPart[] = await upload.listParts();
  try {
    await upload.run(new Uint8Array(1));
  } catch (error) {
    if (error instanceof GlacierError && error.isResumable) console.error(error.code, error.httpStatus ?? 0);
  }
  console.log(state, parts, plan(1).memory, treeHash(Buffer.from('a')), await treeHashFile('file', { threads: 1 }), version);
  const size: Count = plan(5n, { partSize: 1n << 20n }).partSize;
  const path: Path = new URL('file:///archive');
  upload.setBandwidthLimit(BigInt(size));
  await client.upload('v', path, { journal: path, archiveSize: 1n });
  // @ts-expect-error: an expiration that is no Date
  new Client({ credentials: { accessKeyId: 'a', secretAccessKey: 'b', expiration: 1 } });
  // @ts-expect-error: a misspelled option
  new Client({ regoin: 'eu-central-1' });
  // @ts-expect-error: only the library creates errors
  new GlacierError();
}
