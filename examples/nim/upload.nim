## Uploads a file to a vault.
##
## usage: upload VAULT FILE [JOURNAL]
##
## Keys and region come from the environment.
import std/os

const
  library = "libglacier_mp.so.0"
  ok = 0'i32
  continueUpload = 1'i32
  unknown = high(uint64)

type
  Config = distinct pointer
  Client = distinct pointer
  Upload = distinct pointer
  Error = distinct pointer
  Progress {.bycopy.} = object ## glacier_progress_t
    structSize, bytesTotal, bytesDone, bytesResumed, bytesHashed, bytesSent: uint64
    partsTotal, partsDone, partsInFlight, retries, workers, elapsedMs: uint64
  ProgressFn = proc (userData: pointer, progress: ptr Progress): int32 {.cdecl, raises: [].}
  GlacierError = object of CatchableError
    code: string

{.push cdecl, dynlib: library, importc.}
proc glacier_config_new(): Config
proc glacier_config_free(config: Config)
proc glacier_client_new(config: Config, client: var Client, err: var Error): int32
proc glacier_client_free(client: Client)
proc glacier_upload_new(client: Client, vault: cstring, upload: var Upload, err: var Error): int32
proc glacier_upload_set_source_file(upload: Upload, path: cstring, err: var Error): int32
proc glacier_upload_set_journal(upload: Upload, path: cstring, err: var Error): int32
proc glacier_upload_set_progress(upload: Upload, callback: ProgressFn, userData, destroy: pointer, err: var Error): int32
proc glacier_upload_run(upload: Upload, err: var Error): int32
proc glacier_upload_archive_id(upload: Upload): cstring
proc glacier_upload_free(upload: Upload)
proc glacier_error_message(error: Error): cstring
proc glacier_error_free(error: Error)
proc glacier_result_name(code: int32): cstring
{.pop.}

proc check(code: int32, error: var Error) =
  ## Raises the error of a call.
  if code != ok:
    let raised = newException(GlacierError, $glacier_error_message(error))
    raised.code = $glacier_result_name(code)
    glacier_error_free(error)
    raise raised

proc onProgress(userData: pointer, progress: ptr Progress): int32 {.cdecl, raises: [].} =
  ## An exception must not leave a callback. The compiler checks it, because of `raises: []`.
  let total = if progress.bytesTotal == unknown: "" else: " of " & $progress.bytesTotal
  try:
    stderr.writeLine(progress.bytesDone + progress.bytesResumed, total, " bytes")
  except IOError:
    discard # Standard error cannot be written. The upload does not need it.
  continueUpload

proc uploadFile(vault, file, journal: string): string =
  var
    client: Client
    upload: Upload
    err: Error
  let config = glacier_config_new()
  defer:
    # These functions accept NULL.
    glacier_upload_free(upload)
    glacier_client_free(client)
    glacier_config_free(config)
  # `check` receives the error by reference, because the call inside its argument sets it.
  check(glacier_client_new(config, client, err), err)
  check(glacier_upload_new(client, vault.cstring, upload, err), err)
  check(glacier_upload_set_source_file(upload, file.cstring, err), err)
  if journal != "":
    check(glacier_upload_set_journal(upload, journal.cstring, err), err)
  check(glacier_upload_set_progress(upload, onProgress, nil, nil, err), err)
  check(glacier_upload_run(upload, err), err)
  $glacier_upload_archive_id(upload)

if paramCount() notin 2..3:
  quit("usage: upload VAULT FILE [JOURNAL]", 2)
try:
  echo uploadFile(paramStr(1), paramStr(2), if paramCount() == 3: paramStr(3) else: "")
except GlacierError as failure:
  quit(failure.code & ": " & failure.msg, 1)
