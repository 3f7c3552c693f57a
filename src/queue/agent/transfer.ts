import { onAbort } from '../../wait/abort.js';
import type { FileTransferResult } from '../wire/methods.js';
import type { FileSystem } from '../transfer/file-system.js';
import { readRequest, type TransferMethod, type TransferRequest } from '../transfer/request.js';
import type { TransferReport } from '../wire/messages.js';
import { Cancelled, type CallContext } from './call-context.js';

/** Named in the warning; the result lists more. */
const MAX_SHOWN = 10;
const NOTHING = { bytes: 0, files: 0, directories: 0, links: 0 };

export function transferBy(
  method: TransferMethod,
): (context: CallContext, ...args: unknown[]) => Promise<FileTransferResult> {
  return (context, ...args) => transfer(context, readRequest(method, args));
}

/** Plays the drone's side; `files` is the drone's file system if it is not this machine's. */
export async function transfer(
  context: CallContext,
  request: TransferRequest,
  files?: FileSystem,
): Promise<FileTransferResult> {
  const stream = context.openTransfer(request, files);
  const { peer } = stream;
  onAbort(context.signal, () => peer.cancel());
  const own = await peer.run();
  if (peer.remote === undefined) stream.report(own);
  // The call is answered when both peers are over: nothing partial is left on either side.
  const remote = await peer.remoteReport;
  if (context.signal.aborted) throw new Cancelled(true);
  return resultOf(context, request.tolerateFailure, own, remote);
}

function resultOf(
  context: CallContext,
  tolerateFailure: boolean,
  own: TransferReport,
  remote: TransferReport,
): FileTransferResult {
  const { counts = remote.counts ?? NOTHING, leftOut = remote.leftOut ?? [], error = remote.error } = own;
  if (error !== undefined && !tolerateFailure) throw error as Error;
  for (const { warning } of [own, remote]) if (warning !== undefined) context.warn(warning);
  if (leftOut.length > 0) {
    const more = leftOut.length > MAX_SHOWN ? ` and ${String(leftOut.length - MAX_SHOWN)} more` : '';
    context.warn(
      `omitted because they are not files, directories or links: ${leftOut.slice(0, MAX_SHOWN).join(', ')}${more}`,
    );
  }
  const result = { ...NOTHING, ...counts, leftOut };
  if (error === undefined) return result;
  const { message, code } = error as NodeJS.ErrnoException;
  return {
    ...result,
    failure: { side: own.error === undefined ? 'controller' : 'drone', code: String(code), message },
  };
}
