# 25 instructions are executed by one call (static; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_static>:
	mov    ...(%rip),%rax
	cmpb   $0x3,(%rax)
	jb     <kymo_call_static+0x33>
	js     <kymo_call_static+0x1a>
	lea    ...(%rip),%rdi
	jmp    <kymo::call::log0::fast>
	mov    ...(%rip),%rcx
	cmp    0x8(%rax),%rcx
	je     <kymo_call_static+0xe>
	mov    0x8(%rax),%rax
	inc    %rax
	cmp    %rax,%rcx
	jne    <kymo_call_static+0x34>
	ret
	lea    ...(%rip),%rax
	lea    -0x80(%rsp),%rsp
	call   <kymo::filter::gate_x86_64::decide_keeping_registers>
	lea    0x80(%rsp),%rsp
	je     <kymo_call_static+0x33>
	jmp    <kymo_call_static+0xe>

<kymo::call::log0::fast>:
	mov    $0xfffffffffffffa80,%rax
	mov    %fs:(%rax),%rsi
	incq   (%rsi)
	jne    <kymo::call::log0::fast+0x4d>
	mov    0x8(%rsi),%rcx
	lea    0x10(%rcx),%r8
	mov    0x30(%rsi),%rax
	cmp    %r8,%rax
	jae    <kymo::call::log0::fast+0x29>
	mov    %rcx,%rdx
	jmp    <kymo::call::log0::coarse>
	rdtsc
	mov    %eax,0x8(%rcx)
	mov    %edx,0xc(%rcx)
	mov    %rdi,(%rcx)
	movw   $0x10,0x6(%rcx)
	mov    0x10(%rsi),%rax
	mov    %r8,(%rax)
	mov    %r8,0x8(%rsi)
	movq   $0xffffffffffffffff,(%rsi)
	ret
	jmp    *0x28669d(%rip)        # <_DYNAMIC+0x640>
