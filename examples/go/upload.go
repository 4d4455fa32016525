// Uploads a file to a vault.
//
// usage: upload VAULT FILE
//
// The program uses cgo. Keys and region come from the environment.
package main

/*
#cgo pkg-config: glacier_mp
#include <stdlib.h>
#include <glacier_mp.h>

int32_t goProgress(void *user_data, glacier_progress_t *progress);

// cgo exports functions without const.
static int32_t on_progress(void *user_data, const glacier_progress_t *progress) {
	return goProgress(user_data, (glacier_progress_t *)progress);
}

static glacier_result_t set_progress(glacier_upload_t *upload, glacier_error_t **err) {
	return glacier_upload_set_progress(upload, on_progress, NULL, NULL, err);
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// Error is the error of a function of the library.
type Error struct {
	Code, Message string
	Resumable     bool
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// takeError copies an error of the library, and frees it.
func takeError(err *C.glacier_error_t) error {
	defer C.glacier_error_free(err)
	return &Error{
		Code:      C.GoString(C.glacier_result_name(C.glacier_error_code(err))),
		Message:   C.GoString(C.glacier_error_message(err)),
		Resumable: C.glacier_error_is_resumable(err) == 1,
	}
}

//export goProgress
func goProgress(_ unsafe.Pointer, progress *C.glacier_progress_t) C.int32_t {
	done := uint64(progress.bytes_done) + uint64(progress.bytes_resumed)
	fmt.Fprintf(os.Stderr, "%d of %d bytes\n", done, uint64(progress.bytes_total))
	return C.GLACIER_CONTINUE
}

func upload(vault, file string) (string, error) {
	// The callback runs on the thread that calls glacier_upload_run.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cVault, cFile := C.CString(vault), C.CString(file)
	defer C.free(unsafe.Pointer(cVault))
	defer C.free(unsafe.Pointer(cFile))

	var err *C.glacier_error_t
	config := C.glacier_config_new()
	defer C.glacier_config_free(config)
	var client *C.glacier_client_t
	if C.glacier_client_new(config, &client, &err) != C.GLACIER_OK {
		return "", takeError(err)
	}
	defer C.glacier_client_free(client)
	var handle *C.glacier_upload_t
	if C.glacier_upload_new(client, cVault, &handle, &err) != C.GLACIER_OK {
		return "", takeError(err)
	}
	defer C.glacier_upload_free(handle)
	if C.glacier_upload_set_source_file(handle, cFile, &err) != C.GLACIER_OK ||
		C.set_progress(handle, &err) != C.GLACIER_OK ||
		C.glacier_upload_run(handle, &err) != C.GLACIER_OK {
		return "", takeError(err)
	}
	return C.GoString(C.glacier_upload_archive_id(handle)), nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: upload VAULT FILE")
		os.Exit(2)
	}
	archive, err := upload(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(archive)
}
