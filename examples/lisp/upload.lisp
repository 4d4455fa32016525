;;;; Uploads a file to a vault.
;;;;
;;;; usage: sbcl --script upload.lisp VAULT FILE [JOURNAL]
;;;;
;;;; The program uses CFFI. Keys and region come from the environment.
(require :asdf)
(asdf:load-system :cffi)

(defpackage :glacier-upload (:use :cl :cffi))
(in-package :glacier-upload)

(define-foreign-library glacier (t "libglacier_mp.so.0"))
(use-foreign-library glacier)

(defconstant +ok+ 0)
(defconstant +stop+ 0)
(defconstant +continue+ 1)
(defconstant +unknown+ (1- (expt 2 64)))

(defcstruct progress
  (struct-size :uint64) (bytes-total :uint64) (bytes-done :uint64) (bytes-resumed :uint64)
  (bytes-hashed :uint64) (bytes-sent :uint64) (parts-total :uint64) (parts-done :uint64)
  (parts-in-flight :uint64) (retries :uint64) (workers :uint64) (elapsed-ms :uint64))

(defcfun "glacier_config_new" :pointer)
(defcfun "glacier_config_free" :void (config :pointer))
(defcfun "glacier_client_new" :int32 (config :pointer) (out :pointer) (err :pointer))
(defcfun "glacier_client_free" :void (client :pointer))
(defcfun "glacier_upload_new" :int32 (client :pointer) (vault :string) (out :pointer) (err :pointer))
(defcfun "glacier_upload_set_source_file" :int32 (upload :pointer) (path :string) (err :pointer))
(defcfun "glacier_upload_set_journal" :int32 (upload :pointer) (path :string) (err :pointer))
(defcfun "glacier_upload_set_progress" :int32
  (upload :pointer) (callback :pointer) (user-data :pointer) (destroy :pointer) (err :pointer))
(defcfun "glacier_upload_run" :int32 (upload :pointer) (err :pointer))
(defcfun "glacier_upload_archive_id" :string (upload :pointer))
(defcfun "glacier_upload_free" :void (upload :pointer))
(defcfun "glacier_error_message" :string (err :pointer))
(defcfun "glacier_error_free" :void (err :pointer))
(defcfun "glacier_result_name" :string (code :int32))

(define-condition glacier-error (error)
  ((code :initarg :code :reader code)
   (message :initarg :message :reader message)))

;;; Calls a function whose last parameter is the error.
(defun check (function &rest arguments)
  (with-foreign-object (err :pointer)
    (let ((result (apply function (append arguments (list err)))))
      (unless (= result +ok+)
        (let ((address (mem-ref err :pointer)))
          (unwind-protect
               (error 'glacier-error :code (glacier-result-name result)
                                     :message (glacier-error-message address))
            (glacier-error-free address)))))))

;;; Calls a function that stores a handle in the parameter before the error, and returns the handle.
(defun create (function &rest arguments)
  (with-foreign-object (out :pointer)
    (apply #'check function (append arguments (list out)))
    (mem-ref out :pointer)))

(defun show (done total)
  ;; The upload does not need standard error: the display continues if it cannot be written.
  (handler-case (format *error-output* "~d~@[ of ~d~] bytes~%" done (unless (= total +unknown+) total))
    (stream-error () (clear-output *error-output*))))

;;; The condition that a callback stored. It must not leave the callback.
(defvar *failure* nil)

(defcallback on-progress :int32 ((user-data :pointer) (state :pointer))
  (declare (ignore user-data))
  (handler-case
      (with-foreign-slots ((bytes-total bytes-done bytes-resumed) state (:struct progress))
        (show (+ bytes-done bytes-resumed) bytes-total)
        +continue+)
    (serious-condition (failure)
      (setf *failure* failure)
      +stop+)))

(defun upload-file (vault file &optional journal)
  (let ((config (glacier-config-new)) (client (null-pointer)) (upload (null-pointer)))
    (unwind-protect
         (progn
           (setf client (create #'glacier-client-new config))
           (setf upload (create #'glacier-upload-new client vault))
           (check #'glacier-upload-set-source-file upload file)
           (when journal (check #'glacier-upload-set-journal upload journal))
           (check #'glacier-upload-set-progress upload (callback on-progress) (null-pointer) (null-pointer))
           (unwind-protect (check #'glacier-upload-run upload)
             (when *failure* (error *failure*)))
           (glacier-upload-archive-id upload))
      ;; These functions accept NULL.
      (glacier-upload-free upload)
      (glacier-client-free client)
      (glacier-config-free config))))

(let ((arguments (rest sb-ext:*posix-argv*)))
  (unless (<= 2 (length arguments) 3)
    (format *error-output* "usage: sbcl --script upload.lisp VAULT FILE [JOURNAL]~%")
    (sb-ext:exit :code 2))
  ;; The handler of SBCL leaves the call by a non-local exit. With the default action, Ctrl-C ends the program.
  (sb-sys:enable-interrupt sb-unix:sigint :default)
  (handler-case (format t "~a~%" (apply #'upload-file arguments))
    (glacier-error (failure)
      (format *error-output* "~a: ~a~%" (code failure) (message failure))
      (sb-ext:exit :code 1))))
